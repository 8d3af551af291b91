from django.contrib import admin
from django.urls import include, path

from guestbook.media import media

urlpatterns = [
    path("", include("entries.urls")),
    path("", include("pages.urls")),
    path("media/<path:path>", media, name="media"),
    path("i18n/", include("django.conf.urls.i18n")),
    path("admin/", admin.site.urls),
]
