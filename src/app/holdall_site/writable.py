"""Where a project's settings let it write, and how such a setting is changed."""

import copy
import importlib
import ntpath
import os
import pathlib
import unicodedata
import urllib.parse


class Place:
    """A path that the site writes to.

    `setting` is its name for people, `path` the absolute path, `default` where it goes below the shared folder when
    nothing else is said, and `folder` the folder that has to exist before the site starts.
    """

    def __init__(self, setting, holder, key, path, default, is_folder=False, rebuild=None):
        self.setting = setting
        self.path = path
        self.default = default
        self._holder, self._key, self._is_folder = holder, key, is_folder
        self._rebuild = rebuild or (lambda path: like(holder[key], path))

    def move(self, path):
        os.makedirs(path if self._is_folder else os.path.dirname(path), exist_ok=True)
        self._holder[self._key] = self._rebuild(path)


def load(module, change):
    """The settings in `module` as `change` returns them; the module itself is given the changed values too.

    While the project's module is loaded it is the one that DJANGO_SETTINGS_MODULE names, so that code which asks for
    that name, or for the settings, finds what it finds without Holdall.
    """
    ours = os.environ.get("DJANGO_SETTINGS_MODULE")
    os.environ["DJANGO_SETTINGS_MODULE"] = module
    try:
        project = importlib.import_module(module)
    finally:
        if ours is None:
            del os.environ["DJANGO_SETTINGS_MODULE"]
        else:
            os.environ["DJANGO_SETTINGS_MODULE"] = ours
    settings = change({name: getattr(project, name) for name in dir(project) if name.isupper()})
    # For code that says `from mysite import settings` instead of asking Django.
    for name, value in settings.items():
        setattr(project, name, value)
    return settings


def places(settings, base):
    """Every place in `settings` that is written to; a relative path counts from the folder `base`."""

    def place(setting, holder, key, default, is_folder):
        path = _path(holder.get(key), base)
        if path is not None:
            yield Place(setting, holder, key, path, default.format(name=_name(path)), is_folder)

    for alias, database in _dicts(settings.get("DATABASES")):
        if any(word in str(database.get("ENGINE")) for word in ("sqlite", "spatialite")):
            yield from _sqlite(f"DATABASES[{alias!r}]['NAME']", database, base)
    yield from place("MEDIA_ROOT", settings, "MEDIA_ROOT", "media", True)
    for alias, storage in _dicts(settings.get("STORAGES")):
        options = storage.get("OPTIONS")
        if alias != "staticfiles" and isinstance(options, dict):
            location = options.get("location")
            # Other back ends have a `location` too: a prefix inside a bucket, never an absolute path.
            on_disk = str(storage.get("BACKEND")).endswith("FileSystemStorage")
            if on_disk or (isinstance(location, (str, os.PathLike)) and os.path.isabs(location)):
                setting = f"STORAGES[{alias!r}]['OPTIONS']['location']"
                yield from place(setting, options, "location", "storages/{name}", True)
    for alias, cache in _dicts(settings.get("CACHES")):
        if str(cache.get("BACKEND")).endswith("FileBasedCache"):
            yield from place(f"CACHES[{alias!r}]['LOCATION']", cache, "LOCATION", "cache/{name}", True)
    yield from place("SESSION_FILE_PATH", settings, "SESSION_FILE_PATH", "sessions", True)
    yield from place("FILE_UPLOAD_TEMP_DIR", settings, "FILE_UPLOAD_TEMP_DIR", "tmp", True)
    yield from place("EMAIL_FILE_PATH", settings, "EMAIL_FILE_PATH", "mail", True)
    logging = settings.get("LOGGING")
    if isinstance(logging, dict):
        for name, handler in _dicts(logging.get("handlers")):
            setting = f"LOGGING['handlers'][{name!r}]['filename']"
            yield from place(setting, handler, "filename", "logs/{name}", False)


def below(path, root):
    """`path` relative to the folder `root`, with `/`; None if it lies elsewhere, or is the folder itself."""
    path, real_root = os.path.abspath(path), os.path.realpath(root)
    # A link inside the folder counts as what it is called; links above the folder must not hide it.
    for path, root in ((path, os.path.abspath(root)), (path, real_root), (os.path.realpath(path), real_root)):
        start = os.path.join(root, "")
        if os.path.normcase(path).startswith(os.path.normcase(start)):
            return unicodedata.normalize("NFC", path[len(start) :].replace(os.sep, "/"))
    return None


def destination(inside, table):
    """Where `table` sends a path inside the release, itself or with the nearest folder above it that moves."""
    folded = {os.path.normcase(key).replace(os.sep, "/"): value for key, value in table.items()}
    parts = inside.split("/")
    for end in range(len(parts), 0, -1):
        value = folded.get(os.path.normcase("/".join(parts[:end])).replace(os.sep, "/"))
        if value is not None:
            return "/".join([value, *parts[end:]])
    return None


def set_static_root(settings, path, root):
    """Lets collected static files lie in `path`, and with them whatever the project keeps there or calls so."""
    old = settings.get("STATIC_ROOT")
    # Only a path inside `root` cannot be taken for a URL: a STATIC_ROOT may well be `/static/`.
    inside = old and below(old, root)
    for name, value in settings.items():
        if inside and isinstance(value, (str, os.PathLike)) and os.path.isabs(value):
            rest = "" if os.path.abspath(value) == os.path.abspath(old) else below(os.fspath(value), old)
            if rest is not None:
                settings[name] = like(value, os.path.join(path, *rest.split("/")) if rest else path)
    settings["STATIC_ROOT"] = like(old, path)
    for alias, storage in _dicts(settings.get("STORAGES")):
        options = storage.get("OPTIONS")
        if alias == "staticfiles" and isinstance(options, dict) and "location" in options:
            options["location"] = like(options["location"], path)


def copied(settings):
    """`settings` with copies of the dictionaries that hold paths, so that a change reaches nobody else who has them."""
    names = ("DATABASES", "STORAGES", "CACHES", "LOGGING")
    return {name: _copied(value) if name in names else value for name, value in settings.items()}


def like(old, path):
    """`path` in the type that the setting had."""
    return pathlib.Path(path) if isinstance(old, os.PathLike) else path


def _copied(value):
    if not isinstance(value, dict):
        return value
    twin = copy.copy(value)
    for key, inner in value.items():
        twin[key] = _copied(inner)
    return twin


def _dicts(mapping):
    if isinstance(mapping, dict):
        for key, value in mapping.items():
            if isinstance(value, dict):
                yield key, value


def _path(value, base):
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, str) or not value:
        return None
    return os.path.abspath(os.path.join(base, value))


def _name(path):
    # Settings written on Windows may hold Windows paths, whose last part is meant here too.
    return ntpath.basename(path.rstrip("/\\"))


def _sqlite(setting, database, base):
    name = database.get("NAME")
    rebuild, query = None, ""
    if isinstance(name, str) and name.startswith("file:"):
        address, mark, query = name[len("file:") :].partition("?")
        if "mode=memory" in query:
            return
        if address.startswith("//"):
            address = "/" + address[2:].partition("/")[2]
        name = urllib.parse.unquote(address)
        if os.name == "nt" and name[:1] == "/" and name[2:3] == ":":
            name = name[1:]

        def rebuild(path):
            slashes = path.replace(os.sep, "/")
            return "file:" + urllib.parse.quote(slashes if slashes[:1] == "/" else "/" + slashes, "/:") + mark + query

    if name == ":memory:":
        return
    path = _path(name, base)
    if path is not None:
        yield Place(setting, database, "NAME", path, f"databases/{_name(path)}", rebuild=rebuild)
