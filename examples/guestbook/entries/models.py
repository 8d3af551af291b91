import secrets

from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from guestbook.media import picture_type


def attachment_path(entry, filename):
    # The random part keeps addresses from being guessed, and guests from uploading a name that
    # Windows reserves (`con.png`).
    return f"entries/{timezone.now():%Y/%m}/{secrets.token_hex(4)}-{filename}"


class Entry(models.Model):
    author = models.CharField(_("name"), max_length=80)
    message = models.TextField(_("message"), max_length=2000)
    attachment = models.FileField(_("photo or file"), upload_to=attachment_path, max_length=200, blank=True)
    created = models.DateTimeField(_("written"), auto_now_add=True, db_index=True)

    class Meta:
        ordering = ["-created", "-id"]
        verbose_name = _("entry")
        verbose_name_plural = _("entries")

    def __str__(self):
        return f"{self.author}, {self.created:%Y-%m-%d}"

    def get_absolute_url(self):
        return reverse("entries:detail", args=[self.pk])

    @property
    def has_picture(self):
        return picture_type(self.attachment.name or "") is not None

    @property
    def attachment_name(self):
        """The file's name as the guest knew it."""
        return self.attachment.name.rpartition("/")[2].partition("-")[2]
