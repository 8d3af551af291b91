import logging

from django.http import HttpResponse
from django.urls import path


def page(request):
    logging.getLogger("site").warning("seen by the project")
    return HttpResponse("a page")


urlpatterns = [path("page", page)]
