from django import forms
from django.core.exceptions import ValidationError
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext_lazy as _

from entries.models import Entry

LARGEST_ATTACHMENT = 10 * 1024 * 1024


class EntryForm(forms.ModelForm):
    class Meta:
        model = Entry
        fields = ["author", "message", "attachment"]
        widgets = {
            "author": forms.TextInput(attrs={"autocomplete": "name"}),
            "message": forms.Textarea(attrs={"rows": 6}),
            # The plain input: a new entry has no earlier file that one could clear.
            "attachment": forms.FileInput,
        }
        help_texts = {"attachment": _("Pictures are shown, other files can be downloaded.")}

    def clean_attachment(self):
        attachment = self.cleaned_data["attachment"]
        if attachment and attachment.size > LARGEST_ATTACHMENT:
            raise ValidationError(
                _("This file is too large: at most %(limit)s, please."),
                code="too_large",
                params={"limit": filesizeformat(LARGEST_ATTACHMENT)},
            )
        return attachment
