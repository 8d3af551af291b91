"""Reads the source of a project's settings without running it: what it needs, and what should not stand there."""

import ast
import os

# How django-environ, environs and python-decouple name their readers, by habit.
READERS = {"env": ("environ", "environs"), "config": ("decouple",)}


# What `env.db()` and its like of django-environ read when they are given no name.
BY_HABIT = {
    "db": "DATABASE_URL",
    "db_url": "DATABASE_URL",
    "cache": "CACHE_URL",
    "cache_url": "CACHE_URL",
    "email": "EMAIL_URL",
    "email_url": "EMAIL_URL",
    "search_url": "SEARCH_URL",
}


def read(question):
    """Names of needed environment variables, and where a secret key or a fixed settings module is written down."""
    found = {"environment": [], "secret_key": None, "fixed_settings": None}
    names = set()
    files = settings_files(question["settings"], question["roots"])
    # `from .base import env` brings a reader from where it was made.
    trees = {path: parsed(path) for path in files}
    readers, with_default = readers_in(trees.values())
    for path, tree in trees.items():
        names |= set(needed(tree, readers, with_default))
        line = literal_secret_key(tree)
        if line and found["secret_key"] is None:
            found["secret_key"] = f"{shown(path, question)}:{line}"
    found["environment"] = sorted(names)
    line = fixed_settings(parsed(question["manage"]))
    if line:
        found["fixed_settings"] = f"{shown(question['manage'], question)}:{line}"
    return found


def shown(path, question):
    return os.path.relpath(path, question["root"]).replace(os.sep, "/")


def parsed(path):
    try:
        with open(path, "rb") as file:
            return ast.parse(file.read())
    except (OSError, SyntaxError, ValueError):
        return ast.Module(body=[], type_ignores=[])


def settings_files(module, roots):
    """The file of the settings module and those of the project's modules from which it takes names."""
    files, waiting = [], [module]
    while waiting:
        module = waiting.pop(0)
        path, is_package = module_file(module, roots)
        if path is None or path in files:
            continue
        files.append(path)
        package = module if is_package else module.rpartition(".")[0]
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ImportFrom):
                base = node.module or ""
                if node.level:
                    parts = package.split(".")
                    above = parts[: len(parts) - node.level + 1]
                    base = ".".join([*above, *([base] if base else [])])
                waiting.append(base)
                waiting += [f"{base}.{alias.name}" for alias in node.names if alias.name != "*"]
    return files


def module_file(module, roots):
    parts = module.split(".")
    for root in roots:
        path = os.path.join(root, *parts)
        if os.path.isfile(os.path.join(path, "__init__.py")):
            return os.path.join(path, "__init__.py"), True
        if os.path.isfile(path + ".py"):
            return path + ".py", False
    return None, False


def readers_in(trees):
    """The names of the readers of variables, and the variables that they are told a default for."""
    imported, with_default = set(), set()
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").split(".")[0])
        elif isinstance(node, ast.Call) and dotted(node.func).rpartition(".")[2] in ("Env", "FileAwareEnv"):
            with_default |= {keyword.arg for keyword in node.keywords}
    return {name for name, modules in READERS.items() if imported & set(modules)}, with_default


def needed(tree, readers, with_default):
    """Variables read without a default by statements that always run when the module is loaded."""
    for node in always(tree):
        if isinstance(node, ast.Subscript) and dotted(node.value) in ("os.environ", "environ"):
            if isinstance(node.ctx, ast.Load) and is_text(node.slice):
                yield node.slice.value
        elif isinstance(node, ast.Call) and dotted(node.func).split(".")[0] in readers:
            kind = dotted(node.func).rpartition(".")[2]
            reads = len(node.args) == 1 and is_text(node.args[0]) and node.args[0].value.isidentifier()
            name = node.args[0].value if reads else None if node.args else BY_HABIT.get(kind)
            defaults = any(keyword.arg in ("default", "var", None) for keyword in node.keywords)
            if name and not defaults and name not in with_default:
                if kind not in ("read_env", "read_envfile", "prefixed"):
                    yield name


def always(node):
    """The nodes below `node` that are evaluated whenever it is: no function's body, no branch, nothing caught."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
        return
    yield node
    if isinstance(node, (ast.If, ast.IfExp, ast.While)):
        children = [node.test]
    elif isinstance(node, ast.For):
        children = [node.iter]
    elif isinstance(node, ast.Try):
        # A handler that only raises again, in better words, changes nothing of what is needed.
        raising = all(isinstance(handler.body[-1], ast.Raise) for handler in node.handlers)
        children = [*(node.body if raising else []), *node.finalbody]
    elif isinstance(node, ast.BoolOp):
        children = node.values[:1]
    else:
        children = ast.iter_child_nodes(node)
    for child in children:
        yield from always(child)


def literal_secret_key(tree):
    for node in tree.body:
        if isinstance(node, ast.Assign) and is_text(node.value) and node.value.value:
            if any(isinstance(target, ast.Name) and target.id == "SECRET_KEY" for target in node.targets):
                return node.lineno
    return None


def fixed_settings(tree):
    """The line that sets DJANGO_SETTINGS_MODULE whatever the environment says."""
    bodies = [tree.body]
    bodies += [node.body for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "main"]
    bodies += [node.body for node in tree.body if isinstance(node, ast.If) and "__name__" in ast.dump(node.test)]
    for body in bodies:
        for node in body:
            for target in node.targets if isinstance(node, ast.Assign) else []:
                if isinstance(target, ast.Subscript) and dotted(target.value) in ("os.environ", "environ"):
                    if is_text(target.slice) and target.slice.value == "DJANGO_SETTINGS_MODULE":
                        return node.lineno
    return None


def is_text(node):
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def dotted(node):
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"
