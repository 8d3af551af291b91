from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from entries.models import Entry

admin.site.site_header = admin.site.site_title = _("Guestbook administration")


@admin.register(Entry)
class EntryAdmin(admin.ModelAdmin):
    list_display = ["author", "beginning", "has_attachment", "created"]
    list_filter = ["created"]
    search_fields = ["author", "message"]
    date_hierarchy = "created"
    readonly_fields = ["created"]

    @admin.display(description=_("message"))
    def beginning(self, entry):
        return entry.message if len(entry.message) <= 60 else f"{entry.message[:59]}…"

    @admin.display(description=_("photo or file"), boolean=True)
    def has_attachment(self, entry):
        return bool(entry.attachment)
