from django.contrib.messages.views import SuccessMessageMixin
from django.utils.translation import gettext_lazy as _
from django.views.generic import CreateView, DetailView, ListView

from entries.forms import EntryForm
from entries.models import Entry


class EntryList(ListView):
    model = Entry
    paginate_by = 10


class EntryDetail(DetailView):
    model = Entry


class EntryCreate(SuccessMessageMixin, CreateView):
    model = Entry
    form_class = EntryForm
    success_message = _("Thank you, %(author)s!")
