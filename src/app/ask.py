"""Loads a project as it will be served, writes down what its settings say and collects its static files.

Arguments: a file with the question and one for the answer, both JSON. Standard output and error are the project's.
"""

import importlib.util
import io
import json
import os
import secrets
import sys
import traceback


IMPORTS = os.path.dirname(os.path.abspath(importlib.__file__))


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        question = json.load(file)
    keep_bytecode_of_packages()
    from holdall_site import sources

    # The folder of this script holds `holdall_site`; the project's own modules come first, as with manage.py.
    sys.path.append(sys.path.pop(0))
    sys.path[:0] = question["roots"]
    os.environ["DJANGO_SETTINGS_MODULE"] = "holdall_site.settings"
    for name in ("SECRET_KEY", "DJANGO_SECRET_KEY"):
        os.environ.setdefault(name, secrets.token_urlsafe(48))

    answer = {"sources": sources.read(question), "doubts": []}
    wanted = [look_at_static, look_at_migrations, look_at_wsgi]
    for step in (load_django, load_settings, load_apps):
        try:
            step(question, answer)
        except BaseException as error:  # sys.exit() in settings ends the loading just as well
            answer["failure"] = {"step": step.__name__, **describe(error, question)}
            wanted = []
            break
    for step in wanted:
        try:
            step(question, answer)
        except BaseException as error:
            answer["doubts"].append({"step": step.__name__, **describe(error, question)})
    if wanted and question["collect"] and collectable(answer):
        try:
            collect(answer)
        except BaseException as error:
            answer["uncollected"] = {"step": "collect", **describe(error, question)}

    with open(sys.argv[2], "w", encoding="utf-8") as file:
        json.dump(answer, file)
    # Threads that the project has started must not keep this process.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def keep_bytecode_of_packages():
    """Lets Python keep what it compiles of the packages, whose files never change, and of nothing else.

    Compiling Django anew takes as long as all the rest. Of the project's own files nothing is kept: their times, by
    which Python would tell old bytecode, count whole seconds only.
    """
    from importlib.machinery import SourceFileLoader

    environment = os.path.join(sys.prefix, "")
    set_data = SourceFileLoader.set_data

    def set_data_of_packages(self, path, data, **options):
        if path.startswith(environment):
            set_data(self, path, data, **options)

    SourceFileLoader.set_data = set_data_of_packages
    sys.dont_write_bytecode = False


def load_django(question, answer):
    import django

    answer["django"] = django.get_version()


def load_settings(question, answer):
    from holdall_site import settings as loaded, writable

    from django.conf import settings

    # Asking for one setting makes Django check them all.
    answer["debug"] = bool(settings.DEBUG)
    for place in loaded.places:
        place["inside"] = inside(place["path"], question["root"])
    answer["places"] = loaded.places
    static_root = loaded.seen["static"]
    if static_root:
        answer["static_root"] = inside(os.path.join(question["manage_folder"], static_root), question["root"])
    answer["named"] = {}
    for name in dir(loaded):
        value = getattr(loaded, name)
        if name.isupper() and isinstance(value, (str, os.PathLike)) and os.path.isabs(value):
            path = inside(os.fspath(value), question["root"])
            if path is not None and path != "app":
                answer["named"][name] = path
    answer["mentions"] = mentions(loaded, question["root"])
    answer["lacks_secret_key"] = loaded.seen["lacks_secret_key"]
    answer["static_url"] = settings.STATIC_URL
    answer["allowed_hosts"] = [str(host) for host in settings.ALLOWED_HOSTS]
    answer["wsgi"] = getattr(settings, "WSGI_APPLICATION", None)
    answer["asgi"] = getattr(settings, "ASGI_APPLICATION", None)


def mentions(loaded, root):
    """The files and folders of the project that are there and that settings lead to: path in the bundle -> setting."""
    found = {}

    def look(setting, value, depth=0):
        if isinstance(value, dict):
            value = list(value.values())
        if isinstance(value, (list, tuple, set, frozenset)):
            for part in value if depth < 6 else ():  # a list may hold itself
                look(setting, part, depth + 1)
        elif isinstance(value, (str, os.PathLike)) and os.path.isabs(value):
            path = inside(os.fspath(value), root)
            if path not in (None, "app") and (os.path.isfile(value) or any(files for _, _, files in os.walk(value))):
                found.setdefault(path, setting)

    for name in dir(loaded):
        # Static files are collected from where they lie.
        if name.isupper() and not name.startswith("STATIC"):
            look(name, getattr(loaded, name))
    return found


def inside(path, root):
    """Where `path` will lie in the bundle, if it lies in the project."""
    from holdall_site import writable

    found = writable.below(path, root)
    if found is not None:
        return "app/" + found
    same = os.path.abspath(path) in (os.path.abspath(root), os.path.realpath(root))
    return "app" if same else None


def load_apps(question, answer):
    import django

    django.setup()
    from django.apps import apps

    answer["apps"] = [config.name for config in apps.get_app_configs()]


def look_at_static(question, answer):
    if "django.contrib.staticfiles" not in answer["apps"]:
        return
    from django.contrib.staticfiles.storage import HashedFilesMixin, staticfiles_storage
    from django.core.files.storage import FileSystemStorage

    staticfiles_storage._setup()
    storage = staticfiles_storage._wrapped
    kind = type(storage)
    answer["static_storage"] = f"{kind.__module__}.{kind.__qualname__}"
    answer["static_hashed"] = isinstance(storage, HashedFilesMixin)
    answer["static_on_disk"] = isinstance(storage, FileSystemStorage)


def look_at_migrations(question, answer):
    from django.db.migrations.loader import MigrationLoader

    migrations = {}
    for app, name in MigrationLoader(None, ignore_no_migrations=True).disk_migrations:
        migrations.setdefault(app, []).append(name)
    answer["migrations"] = {app: sorted(names) for app, names in sorted(migrations.items())}


def look_at_wsgi(question, answer):
    module, _, name = question["wsgi"].partition(":")
    answer["wsgi_found"] = importlib.util.find_spec(module) is not None
    if answer["wsgi_found"]:
        application = importlib.import_module(module)
        for part in (name or "application").split("."):
            application = getattr(application, part, None)
        answer["wsgi_found"] = callable(application)
    answer["settings_asked_for"] = os.environ.get("DJANGO_SETTINGS_MODULE")


def collectable(answer):
    # A storage on another server is not written to. One that could not be looked at says itself what is wrong.
    return "django.contrib.staticfiles" in answer["apps"] and answer.get("static_on_disk", True)


def collect(answer):
    from django.core.files.storage import FileSystemStorage
    from django.core.management import call_command

    # The order of a folder is the file system's own; hashed storages write it into their manifest.
    listdir = FileSystemStorage.listdir
    FileSystemStorage.listdir = lambda self, path: tuple(sorted(names) for names in listdir(self, path))
    said = io.StringIO()
    try:
        call_command("collectstatic", interactive=False, verbosity=0, stderr=said, no_color=True)
    except BaseException:
        answer["said"] = said.getvalue()
        raise


def describe(error, question):
    """What people need of a traceback: the project's own frames, the last one wherever it is, and the error."""
    here = os.path.dirname(os.path.abspath(__file__))
    frames = []
    for frame in traceback.extract_tb(error.__traceback__):
        file = os.path.abspath(frame.filename)
        if frame.filename.startswith("<") or file.startswith(os.path.join(here, "")) or reads_environment(frame):
            continue
        if os.path.dirname(file) == IMPORTS:  # between an import and what it fails on; frozen in newer versions
            continue
        frames.append((shown(file, question), frame))
    own = [entry for entry in frames if entry[0][1]]
    kept = own[-5:] or frames[-2:]
    if own and frames[-1] is not own[-1]:
        kept.append(frames[-1])
    lines = []
    for (name, _), frame in kept:
        lines.append(f"{name}:{frame.lineno} in {frame.name}")
        if frame.line:
            lines.append(f"    {frame.line}")
    for line in traceback.format_exception_only(type(error), error):
        for root in (os.path.realpath(question["root"]), os.path.abspath(question["root"])):
            line = line.replace(os.path.join(root, ""), "")
        if line.startswith('  File "'):
            line = line.replace(os.sep, "/")
        # The place of a syntax error comes indented, as part of a longer traceback.
        lines.append(line[2:].rstrip() if isinstance(error, SyntaxError) and line.startswith("  ") else line.rstrip())
    return {
        "trace": "\n".join(lines),
        "message": str(error),
        "missing_module": error.name if isinstance(error, ModuleNotFoundError) else None,
        "missing_variable": missing_variable(error),
    }


def shown(file, question):
    """How a file is shown, and whether it is the project's own."""
    packages = [os.path.join(path, "") for path in sys.path if "site-packages" in path]
    for root in packages:
        if file.startswith(root):
            return file[len(root) :].replace(os.sep, "/"), False
    for root in (os.path.abspath(question["root"]), os.path.realpath(question["root"])):
        if file.startswith(os.path.join(root, "")) and not file.startswith(os.path.join(sys.prefix, "")):
            return os.path.relpath(file, root).replace(os.sep, "/"), True
    return os.path.basename(file), False


def reads_environment(frame):
    return os.path.basename(frame.filename) in ("os.py", "<frozen os>") and frame.name == "__getitem__"


def missing_variable(error):
    """The environment variable whose absence is `error`, when it is."""
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, KeyError) and frames and reads_environment(frames[-1]):
        return str(error.args[0])
    # environs, django-environ and decouple say it in words, with the name first or last.
    if type(error).__name__ in ("ImproperlyConfigured", "UndefinedValueError", "EnvError"):
        words = [word.strip("'\"`.,:") for word in str(error).split()]
        names = [word for word in words if word.isupper() and word.isidentifier() and len(word) > 2]
        if "environment" in str(error).lower() or "not found" in str(error).lower():
            return names[0] if len(names) == 1 else None
    return None


main()
