import gettext
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest import mock

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.test import SimpleTestCase, TestCase, override_settings

from guestbook.environment import database, flag, listed

MANIFEST = "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"


class Environment(SimpleTestCase):
    def test_a_flag_is_on_off_or_an_error(self):
        for text, expected in [("1", True), ("True", True), ("on", True), ("", False), ("0", False), ("no", False)]:
            with self.subTest(text), mock.patch.dict(os.environ, {"FLAG": text}):
                self.assertIs(flag("FLAG"), expected)
        with mock.patch.dict(os.environ, {"FLAG": "maybe"}), self.assertRaisesMessage(ImproperlyConfigured, "FLAG"):
            flag("FLAG")

    def test_a_list_is_split_at_commas(self):
        with mock.patch.dict(os.environ, {"HOSTS": " a.example, b.example ,"}):
            self.assertEqual(listed("HOSTS"), ["a.example", "b.example"])
        self.assertEqual(listed("GUESTBOOK_NOT_SET", default="a,b"), ["a", "b"])

    def test_a_relative_sqlite_file_lies_below_the_project(self):
        found = database("sqlite:///data/my%20db.sqlite3", Path("/srv"))
        self.assertEqual(found["NAME"], Path("/srv/data/my db.sqlite3"))

    def test_an_absolute_sqlite_file_stays_where_it_is(self):
        absolute = Path(tempfile.gettempdir(), "db.sqlite3").resolve()
        self.assertEqual(database(f"sqlite:///{absolute.as_posix()}", Path("elsewhere"))["NAME"], absolute)

    def test_a_postgres_address_is_taken_apart(self):
        found = database("postgres://me:p%40ss@db.example:5433/guests?sslmode=require", Path("/srv"))
        self.assertEqual(found["ENGINE"], "django.db.backends.postgresql")
        self.assertEqual((found["USER"], found["PASSWORD"], found["NAME"]), ("me", "p@ss", "guests"))
        self.assertEqual((found["HOST"], found["PORT"], found["OPTIONS"]), ("db.example", 5433, {"sslmode": "require"}))

    def test_an_unknown_database_is_refused_without_repeating_the_password(self):
        for wrong in ["mysql://me:secret@host/db", "sqlite://db.sqlite3", "secret"]:
            with self.subTest(wrong), self.assertRaises(ImproperlyConfigured) as caught:
                database(wrong, Path("/srv"))
            self.assertNotIn("secret", str(caught.exception))


class Settings(SimpleTestCase):
    def manage(self, **environment):
        inherited = {name: value for name, value in os.environ.items() if name not in {"SECRET_KEY", "DEBUG"}}
        return subprocess.run(
            [sys.executable, "manage.py", "check"],
            cwd=settings.BASE_DIR, env={**inherited, **environment}, capture_output=True, text=True,
        )

    def test_the_site_does_not_start_without_a_secret_key(self):
        run = self.manage()
        self.assertNotEqual(run.returncode, 0)
        self.assertIn("SECRET_KEY is not set", run.stderr)

    def test_it_starts_with_a_key_or_for_trying_out(self):
        self.assertEqual(self.manage(SECRET_KEY="x" * 60).returncode, 0)
        self.assertEqual(self.manage(DEBUG="1").returncode, 0)


class StaticFiles(TestCase):
    def test_names_carry_a_hash_in_pages_and_in_style_sheets(self):
        with (
            tempfile.TemporaryDirectory() as folder,
            override_settings(
                STATIC_ROOT=folder, STORAGES={**settings.STORAGES, "staticfiles": {"BACKEND": MANIFEST}}
            ),
        ):
            call_command("collectstatic", interactive=False, verbosity=0)
            page = self.client.get("/").content.decode()
            style = re.search(r'href="/static/(guestbook/style\.[0-9a-f]{12}\.css)"', page)[1]
            rules = Path(folder, style).read_text(encoding="utf-8")
            logo = re.search(r'url\("(logo\.[0-9a-f]{12}\.svg)"\)', rules)[1]
            self.assertTrue(Path(folder, "guestbook", logo).is_file())
            self.assertRegex(self.client.get("/admin/login/").content.decode(), r"admin/css/base\.[0-9a-f]{12}\.css")


class Translations(SimpleTestCase):
    def test_the_compiled_catalogue_matches_its_source(self):
        folder = Path(settings.BASE_DIR, "locale/de/LC_MESSAGES")
        source = (folder / "django.po").read_text(encoding="utf-8")
        with open(folder / "django.mo", "rb") as file:
            compiled = gettext.GNUTranslations(file)
        pairs = re.findall(r'^msgid "(.+)"\nmsgstr "(.*)"$', source, re.MULTILINE)
        self.assertGreater(len(pairs), 40)
        for english, german in pairs:
            with self.subTest(english):
                self.assertTrue(german)
                self.assertEqual(compiled.gettext(english), german)
