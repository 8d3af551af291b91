import itertools
import math
import time

from django.db import DatabaseError, connection
from django.http import FileResponse, HttpResponse, HttpResponseBadRequest, StreamingHttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from pages.greetings import GREETINGS
from pages.paper import Paper

PLAIN = "text/plain; charset=utf-8"
LONGEST_WAIT = 30.0
LONGEST_PAUSE = 1.0
MOST_LINES = 10_000


@require_safe
def greetings(request):
    return render(request, "pages/greetings.html", {"greetings": GREETINGS})


@require_safe
def download(request):
    return FileResponse(Paper(), as_attachment=True, filename="gästebuch-für-daheim.txt", content_type=PLAIN)


@require_safe
@never_cache
def stream(request):
    """Greetings, sent line by line as they come: `?lines=` how many, `?pause=` seconds between two."""
    lines = number(request.GET.get("lines", len(GREETINGS)), MOST_LINES)
    pause = number(request.GET.get("pause", 0), LONGEST_PAUSE)
    if lines is None or pause is None:
        return HttpResponseBadRequest(_("lines and pause must be numbers."), content_type=PLAIN)

    def spoken():
        for count, (_code, language, welcome) in enumerate(itertools.islice(itertools.cycle(GREETINGS), int(lines)), 1):
            if count > 1:
                time.sleep(pause)
            yield f"{count} {language}: {welcome}\n"

    return StreamingHttpResponse(spoken(), content_type=PLAIN)


@require_safe
@never_cache
def slow(request):
    """Keeps the visitor waiting for `?seconds=`, to see what a web server makes of it."""
    seconds = number(request.GET.get("seconds", 2), LONGEST_WAIT)
    if seconds is None:
        return HttpResponseBadRequest(_("seconds must be a number."), content_type=PLAIN)
    time.sleep(seconds)
    return HttpResponse(_("That took %(seconds)s seconds.") % {"seconds": f"{seconds:g}"} + "\n", content_type=PLAIN)


@require_safe
@never_cache
def healthz(request):
    """For machines: is the site up, and does its database answer?"""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return HttpResponse("database does not answer\n", status=503, content_type=PLAIN)
    return HttpResponse("ok\n", content_type=PLAIN)


def number(text, most):
    """A number between 0 and `most`, or None if it is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return None if math.isnan(value) else min(max(value, 0.0), most)
