# What every server of the benchmark serves: plain WSGI by path, and Django with the middleware of a new project.
import os

import django
from django.conf import settings
from django.http import HttpResponse
from django.urls import path

settings.configure(
    SECRET_KEY="what a benchmark has to hide, which is nothing at all",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django.contrib.messages",
    ],
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
)
urlpatterns = [path("django", lambda request: HttpResponse("Hello, world!"))]
django.setup(set_prefix=False)

from django.core.wsgi import get_wsgi_application  # noqa: E402 - settings first

framework = get_wsgi_application()

TEXT = ("Content-Type", "text/plain; charset=utf-8")
HELLO = b"Hello, world!"
LARGE = os.urandom(1 << 20)


def application(environ, start_response):
    page = environ["PATH_INFO"]
    if page == "/django":
        return framework(environ, start_response)
    if page == "/large":
        body = LARGE
    elif page == "/upload":
        stream, size = environ["wsgi.input"], 0
        left = int(environ["CONTENT_LENGTH"])
        # As Django reads an upload.
        while left and (piece := stream.read(min(left, 65536))):
            size += len(piece)
            left -= len(piece)
        body = b"%d" % size
    else:
        body = HELLO
    start_response("200 OK", [TEXT, ("Content-Length", str(len(body)))])
    return [body]
