"""The project's settings, with what the site writes moved out of the release.

`DJANGO_SETTINGS_MODULE` names this module in a bundle. It loads the project's own settings module, then changes
two things: STATIC_ROOT is where the bundle carries the collected files, and every path that the site writes to and
that lies inside the release leads into the site's shared folder, `HOLDALL_SHARED`. The values are looked at as they
are loaded here and now: a database on a server, or a folder elsewhere, stays what it is.
"""

import os

from django.core.exceptions import ImproperlyConfigured

from holdall_site import layout, writable

_release = os.path.abspath(os.path.join(os.path.dirname(__file__), *layout.RELEASE.split("/")))


def _shared(inside):
    root = os.environ.get("HOLDALL_SHARED")
    if not root:
        raise ImproperlyConfigured(
            "HOLDALL_SHARED is not set. It names the folder where this site keeps its data (database, uploads, logs),"
            " which must not lie inside the release. Set it, or start the site with `holdall preview`,"
            " which does."
        )
    return os.path.join(os.path.abspath(root), *inside.split("/"))


def _moved(settings):
    settings = writable.copied(settings)
    for place in writable.places(settings, os.path.join(_release, *layout.MANAGE.split("/"))):
        inside = writable.below(place.path, _release)
        if inside is not None:
            place.move(_shared(writable.destination(inside, layout.PATHS) or place.default))
    for name, value in settings.items():
        # Settings of the project's own that lead to a place that moves, or below one.
        if isinstance(value, (str, os.PathLike)) and os.path.isabs(value):
            inside = writable.below(os.fspath(value), _release)
            destination = inside and writable.destination(inside, layout.PATHS)
            if destination:
                settings[name] = writable.like(value, _shared(destination))
    if not settings.get("MEDIA_ROOT") and os.environ.get("HOLDALL_SHARED"):
        # Django takes an empty MEDIA_ROOT for the current folder, which is inside the release.
        settings["MEDIA_ROOT"] = _shared("media")
    if layout.STATIC_ROOT is not None:
        writable.set_static_root(settings, os.path.join(_release, *layout.STATIC_ROOT.split("/")), _release)
    if not settings.get("SECRET_KEY"):
        key = os.environ.get("SECRET_KEY") or os.environ.get("DJANGO_SECRET_KEY")
        if key:
            settings["SECRET_KEY"] = key
    return settings


globals().update(writable.load(layout.SETTINGS, _moved))
