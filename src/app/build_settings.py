"""The project's settings while it is bundled: whatever it writes goes to a folder that is thrown away."""

import os
import secrets

from holdall_site import layout, writable

# In small letters, or Django would take them for settings.
places = []
seen = {}


def _moved(settings):
    settings = writable.copied(settings)
    for number, place in enumerate(writable.places(settings, layout.MANAGE)):
        places.append({"setting": place.setting, "path": place.path, "default": place.default})
        place.move(os.path.join(layout.SCRATCH, str(number), *place.default.split("/")))
    seen["static"] = settings.get("STATIC_ROOT")
    seen["lacks_secret_key"] = not settings.get("SECRET_KEY")
    writable.set_static_root(settings, layout.STATIC_ROOT, layout.ROOT)
    if seen["lacks_secret_key"]:
        settings["SECRET_KEY"] = os.environ.get("SECRET_KEY") or secrets.token_urlsafe(48)
    return settings


globals().update(writable.load(layout.SETTINGS, _moved))
