from django.urls import path
from django.views.generic import TemplateView

from pages import views

app_name = "pages"
urlpatterns = [
    path("about/", TemplateView.as_view(template_name="pages/about.html"), name="about"),
    path("grüße/", views.greetings, name="greetings"),
    path("download/", views.download, name="download"),
    path("stream/", views.stream, name="stream"),
    path("slow/", views.slow, name="slow"),
    path("healthz/", views.healthz, name="healthz"),
]
