from django.urls import path

from entries.views import EntryCreate, EntryDetail, EntryList

app_name = "entries"
urlpatterns = [
    path("", EntryList.as_view(), name="list"),
    path("write/", EntryCreate.as_view(), name="write"),
    path("entries/<int:pk>/", EntryDetail.as_view(), name="detail"),
]
