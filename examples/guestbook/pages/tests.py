import io
from unittest import mock

from django.db import DatabaseError
from django.test import SimpleTestCase, TestCase
from django.urls import reverse

from pages import paper, views
from pages.greetings import GREETINGS


class Pages(TestCase):
    def test_about_links_to_what_there_is(self):
        response = self.client.get("/about/")
        self.assertContains(response, "<h1>About this guestbook</h1>", html=True)
        self.assertContains(response, 'href="/download/"')

    def test_a_page_has_foreign_letters_in_its_text_and_its_address(self):
        self.assertEqual(reverse("pages:greetings"), "/gr%C3%BC%C3%9Fe/")
        for address in ["/grüße/", "/gr%C3%BC%C3%9Fe/"]:
            with self.subTest(address):
                response = self.client.get(address)
                self.assertContains(response, '<h1 lang="de">Grüße aus aller Welt</h1>', html=True)
                self.assertContains(response, "ようこそ")
                self.assertEqual(response["Content-Type"], "text/html; charset=utf-8")

    def test_an_address_without_its_last_slash_is_sent_on(self):
        self.assertRedirects(self.client.get("/grüße"), "/gr%C3%BC%C3%9Fe/", status_code=301)

    def test_a_missing_page_says_so_kindly(self):
        response = self.client.get("/nothing/")
        self.assertContains(response, "There is nothing at this address.", status_code=404)


class Download(SimpleTestCase):
    def test_it_is_announced_in_full_length_under_its_foreign_name(self):
        response = self.client.get("/download/")
        body = response.getvalue()
        self.assertEqual(len(body), 5 * 1024 * 1024)
        self.assertEqual(response["Content-Length"], str(len(body)))
        self.assertEqual(
            response["Content-Disposition"], "attachment; filename*=utf-8''g%C3%A4stebuch-f%C3%BCr-daheim.txt"
        )
        lines = body.decode().splitlines()
        self.assertEqual(len(lines), paper.LINES)
        self.assertTrue(lines[0].startswith("№ 000001 ...") and lines[-1].startswith("№ 081920 ..."))

    def test_any_part_of_the_paper_equals_that_part_of_the_whole(self):
        whole = paper.Paper().read()
        for start, length in [(0, 1), (63, 2), (64, 64), (100, 1000), (paper.SIZE - 5, 100), (paper.SIZE + 5, 10)]:
            with self.subTest(start=start, length=length):
                part = paper.Paper()
                part.seek(start)
                self.assertEqual(part.read(length), whole[start : start + length])
                self.assertEqual(part.tell(), max(start, min(start + length, paper.SIZE)))
        self.assertEqual(paper.Paper().seek(0, io.SEEK_END), paper.SIZE)


class Stream(SimpleTestCase):
    def test_every_line_is_a_chunk_of_its_own(self):
        response = self.client.get("/stream/?lines=20")
        self.assertTrue(response.streaming)
        self.assertNotIn("Content-Length", response)
        chunks = [chunk.decode() for chunk in response.streaming_content]
        self.assertEqual(len(chunks), 20)
        self.assertEqual(chunks[3], "4 Deutsch: Schöne Grüße und herzlich willkommen\n")
        self.assertEqual(chunks[17], "18 العربية: أهلًا وسهلًا\n")

    def test_it_waits_between_two_lines_and_not_before_the_first(self):
        with mock.patch.object(views.time, "sleep") as sleep:
            chunks = iter(self.client.get("/stream/?lines=3&pause=99").streaming_content)
            next(chunks)
            sleep.assert_not_called()
            self.assertEqual(len(list(chunks)), 2)
        self.assertEqual(sleep.call_args_list, [mock.call(views.LONGEST_PAUSE)] * 2)

    def test_all_greetings_come_once_if_nothing_is_asked(self):
        self.assertEqual(len(self.client.get("/stream/").getvalue().splitlines()), len(GREETINGS))
        self.assertEqual(self.client.get("/stream/?lines=many").status_code, 400)


class Slow(SimpleTestCase):
    def test_it_waits_as_long_as_asked_within_bounds(self):
        for asked, waited in [("?seconds=0.5", 0.5), ("", 2.0), ("?seconds=1000", 30.0), ("?seconds=-1", 0.0)]:
            with self.subTest(asked), mock.patch.object(views.time, "sleep") as sleep:
                self.assertContains(self.client.get(f"/slow/{asked}"), f"That took {waited:g} seconds.")
                sleep.assert_called_once_with(waited)

    def test_it_refuses_what_is_no_number(self):
        for wrong in ["soon", "nan"]:
            self.assertEqual(self.client.get(f"/slow/?seconds={wrong}").status_code, 400)


class Health(TestCase):
    def test_it_is_well_while_the_database_answers(self):
        with self.assertNumQueries(1):
            response = self.client.get("/healthz/")
        self.assertEqual((response.status_code, response.content), (200, b"ok\n"))
        self.assertIn("no-store", response["Cache-Control"])

    def test_it_is_ill_when_the_database_does_not(self):
        with mock.patch.object(views.connection, "cursor", side_effect=DatabaseError):
            self.assertEqual(self.client.get("/healthz/").status_code, 503)


class Languages(TestCase):
    def test_the_browser_chooses_the_language(self):
        german = self.client.get("/", headers={"accept-language": "de-AT,de;q=0.9,en;q=0.5"})
        self.assertContains(german, "<title>Gästebuch</title>", html=True)
        self.assertContains(german, "<h1>Was unsere Gäste sagen</h1>", html=True)
        self.assertContains(german, '<html lang="de">')
        self.assertContains(self.client.get("/", headers={"accept-language": "fr"}), "What our guests say")

    def test_a_guest_may_choose_another_and_it_stays(self):
        response = self.client.post("/i18n/setlang/", {"language": "de", "next": "/about/"})
        self.assertRedirects(response, "/about/", fetch_redirect_response=False)
        self.assertContains(self.client.get("/about/"), "Über dieses Gästebuch")
        self.client.post("/i18n/setlang/", {"language": "en", "next": "/"})
        self.assertContains(self.client.get("/about/"), "About this guestbook")

    def test_forms_and_their_errors_are_translated(self):
        response = self.client.post("/write/", {}, headers={"accept-language": "de"})
        self.assertContains(response, "Ins Gästebuch eintragen")
        self.assertContains(response, "Dieses Feld ist zwingend erforderlich.")
