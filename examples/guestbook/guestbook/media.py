"""
Sends what guests have uploaded.

Django serves media only while DEBUG is on, and a web server told to serve the folder would send whatever a
stranger put there under a type it guesses. The site's own view works the same in front of every web server, and
lets a browser show pictures only; anything else is saved to disk, so an uploaded page never runs as ours.
"""

from pathlib import PurePosixPath

from django.conf import settings
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe
from django.views.static import serve

# Not `mimetypes`: on Windows it believes the registry. SVG is missing on purpose, it may carry scripts.
PICTURES = {
    ".gif": "image/gif",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
}


def picture_type(name):
    """The content type of a picture that a browser may show, or None."""
    return PICTURES.get(PurePosixPath(name).suffix.lower())


@require_safe
def media(request, path):
    response = serve(request, path, document_root=settings.MEDIA_ROOT)
    kind = picture_type(path)
    response["Content-Type"] = kind or "application/octet-stream"
    response["Content-Disposition"] = content_disposition_header(kind is None, PurePosixPath(path).name)
    response["X-Content-Type-Options"] = "nosniff"
    return response
