import base64
import io
import re
import signal
import threading
import time
from unittest import mock

from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import DatabaseError
from django.test import Client, TestCase

from entries import forms
from entries.management.commands import watch_entries
from entries.models import Entry

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def write(client, attachment=None, **fields):
    data = {"author": "Ada", "message": "Hello there", **fields}
    if attachment:
        data["attachment"] = attachment
    return client.post("/write/", data)


class Listing(TestCase):
    def test_an_empty_guestbook_invites_to_write(self):
        response = self.client.get("/")
        self.assertContains(response, "<title>Guestbook</title>", html=True)
        self.assertContains(response, "<h1>What our guests say</h1>", html=True)
        self.assertContains(response, "No entries yet. Be the first!")

    def test_ten_entries_fill_a_page_and_the_newest_comes_first(self):
        Entry.objects.bulk_create(Entry(author=f"Guest {n}", message="Hello") for n in range(1, 12))
        first, second = self.client.get("/"), self.client.get("/?page=2")
        self.assertContains(first, "11 entries so far.")
        self.assertContains(first, "Page 1 of 2")
        self.assertEqual([entry.author for entry in first.context["page_obj"]][:2], ["Guest 11", "Guest 10"])
        self.assertEqual([entry.author for entry in second.context["page_obj"]], ["Guest 1"])
        self.assertEqual(self.client.get("/?page=3").status_code, 404)

    def test_what_a_guest_writes_is_text_and_never_markup(self):
        write(self.client, message="<script>alert(1)</script>")
        self.assertContains(self.client.get("/"), "&lt;script&gt;alert(1)&lt;/script&gt;")


class Writing(TestCase):
    def test_an_entry_leads_to_its_own_page_with_thanks(self):
        response = write(self.client, author="Jürgen", message="Schöne Grüße\naus Łódź")
        entry = Entry.objects.get()
        self.assertRedirects(response, f"/entries/{entry.pk}/", fetch_redirect_response=False)
        page = self.client.get(response["Location"])
        self.assertContains(page, "Thank you, Jürgen!")
        self.assertContains(page, "<p>Schöne Grüße<br>aus Łódź</p>", html=True)

    def test_a_name_and_a_message_are_needed(self):
        response = write(self.client, author="", message=" ")
        self.assertFormError(response.context["form"], "author", "This field is required.")
        self.assertFormError(response.context["form"], "message", "This field is required.")
        self.assertEqual(Entry.objects.count(), 0)

    def test_a_file_that_is_too_large_is_refused(self):
        with mock.patch.object(forms, "LARGEST_ATTACHMENT", 1024):
            response = write(self.client, SimpleUploadedFile("large.bin", b"x" * 1025))
        error = "This file is too large: at most 1.0\xa0KB, please."
        self.assertFormError(response.context["form"], "attachment", error)
        self.assertEqual(Entry.objects.count(), 0)

    def test_a_post_without_the_token_is_refused_and_with_it_accepted(self):
        client = Client(enforce_csrf_checks=True)
        self.assertEqual(write(client).status_code, 403)
        page = client.get("/write/").content.decode()
        token = re.search(r'<form class="card write".*?name="csrfmiddlewaretoken" value="(\w+)"', page, re.DOTALL)[1]
        self.assertEqual(write(client, csrfmiddlewaretoken=token).status_code, 302)


class Uploads(TestCase):
    def way_back(self, attachment):
        """Posts a file, follows the link on the entry's page, and returns that page and the file's response."""
        page = self.client.get(write(self.client, attachment)["Location"])
        address = re.search(r'class="attachment[^"]*" href="([^"]+)"', page.content.decode())[1]
        self.assertRegex(address, r"^/media/entries/\d{4}/\d{2}/[0-9a-f]{8}-")
        return page, self.client.get(address)

    def test_a_picture_comes_back_byte_for_byte_and_is_shown(self):
        page, response = self.way_back(SimpleUploadedFile("Blume.PNG", PNG))
        self.assertContains(page, "<img")
        self.assertEqual(response.getvalue(), PNG)
        self.assertEqual(response["Content-Type"], "image/png")
        self.assertEqual(response["Content-Length"], str(len(PNG)))
        self.assertTrue(response["Content-Disposition"].startswith("inline"))
        self.assertEqual(response["X-Content-Type-Options"], "nosniff")

    def test_an_uploaded_page_is_saved_by_the_browser_and_never_shown(self):
        for name in ["page.html", "drawing.svg", "no-suffix"]:
            with self.subTest(name):
                page, response = self.way_back(SimpleUploadedFile(name, b"<script>alert(1)</script>", "image/png"))
                self.assertNotContains(page, "<img")
                self.assertEqual(response["Content-Type"], "application/octet-stream")
                self.assertTrue(response["Content-Disposition"].startswith("attachment"))
                self.assertEqual(response["X-Content-Type-Options"], "nosniff")
                response.close()

    def test_a_file_keeps_its_foreign_name(self):
        page, response = self.way_back(SimpleUploadedFile("Grüße aus Łódź.txt", "Cześć".encode()))
        self.assertContains(page, "Grüße_aus_Łódź.txt</a>")
        self.assertEqual(response.getvalue().decode(), "Cześć")
        self.assertIn("-Gr%C3%BC%C3%9Fe_aus_%C5%81%C3%B3d%C5%BA.txt", response["Content-Disposition"])

    def test_a_name_that_windows_reserves_is_stored_under_another(self):
        write(self.client, SimpleUploadedFile("con.png", PNG))
        self.assertRegex(Entry.objects.get().attachment.name, r"/[0-9a-f]{8}-con\.png$")

    def test_nothing_outside_the_media_folder_is_sent(self):
        for path in ["/media/../manage.py", "/media/%2e%2e/manage.py", "/media/entries/", "/media/none.png"]:
            with self.subTest(path):
                self.assertIn(self.client.get(path).status_code, {400, 404})


class Admin(TestCase):
    def test_the_login_page_asks_for_name_and_password(self):
        response = self.client.get("/admin/login/")
        self.assertContains(response, "Guestbook administration")
        self.assertContains(response, 'name="csrfmiddlewaretoken"')
        self.assertContains(response, 'name="username"')

    def test_entries_are_listed_and_searched(self):
        self.client.force_login(get_user_model().objects.create_superuser("host", password="host"))
        Entry.objects.create(author="Ada", message="x" * 100)
        Entry.objects.create(author="Grace", message="Hello")
        listing = self.client.get("/admin/entries/entry/")
        self.assertContains(listing, "Ada")
        self.assertContains(listing, "x" * 59 + "…")
        found = self.client.get("/admin/entries/entry/?q=grace")
        self.assertContains(found, "Grace")
        self.assertNotContains(found, "Ada")


class Watching(TestCase):
    def setUp(self):
        Entry.objects.create(author="Ada", message="Hello", attachment="entries/a.png")
        Entry.objects.create(author="Grace", message="Hello")

    def test_once_writes_one_line_and_leaves(self):
        out = io.StringIO()
        call_command("watch_entries", "--once", stdout=out)
        self.assertRegex(out.getvalue(), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ 2 new, 2 in all, 1 with a file\n$")

    def test_later_looks_count_new_entries_only_and_are_silent_without(self):
        out = io.StringIO()
        command = watch_entries.Command(stdout=out)
        seen = command.look(None)
        self.assertEqual(command.look(seen), seen)
        Entry.objects.create(author="Edsger", message="Hello")
        command.look(seen)
        self.assertEqual([line.split(" ", 1)[1] for line in out.getvalue().splitlines()], [
            "2 new, 2 in all, 1 with a file",
            "1 new, 3 in all, 1 with a file",
        ])

    def test_a_signal_ends_the_watch(self):
        names = [name for name in ["SIGINT", "SIGTERM", "SIGBREAK"] if hasattr(signal, name)]
        for name in names:
            self.addCleanup(signal.signal, getattr(signal, name), signal.getsignal(getattr(signal, name)))
        for name in names:
            with self.subTest(name):
                out = io.StringIO()
                number = getattr(signal, name)
                # Asked to rest, the command has set its handlers; the signal must end the rest at once.
                rest = watch_entries.rest

                def interrupted_rest(stop, length):
                    signal.raise_signal(number)
                    rest(stop, length)

                with (
                    mock.patch.object(watch_entries, "rest", interrupted_rest),
                    mock.patch.object(watch_entries, "close_old_connections"),
                ):
                    call_command("watch_entries", "--interval", "30", stdout=out)
                self.assertTrue(out.getvalue().endswith("stopped\n"))

    def test_a_signal_during_the_rest_is_noticed(self):
        stop = threading.Event()
        timer = threading.Timer(0.05, stop.set)
        timer.start()
        self.addCleanup(timer.join)
        start = time.monotonic()
        watch_entries.rest(stop, 30)
        self.assertLess(time.monotonic() - start, 20)

    def test_without_a_database_once_fails_with_a_message(self):
        with mock.patch.object(Entry.objects, "aggregate", side_effect=DatabaseError("gone")):
            with self.assertRaisesMessage(CommandError, "cannot read the entries: gone"):
                call_command("watch_entries", "--once")

    def test_an_interval_must_be_a_number_of_seconds(self):
        for wrong in ["0", "-1", "nan", "soon"]:
            with self.subTest(wrong), self.assertRaisesMessage(CommandError, "is not a number of seconds"):
                call_command("watch_entries", f"--interval={wrong}")
