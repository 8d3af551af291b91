"""The test runner: tests need no collected static files, and leave nothing in the real media folder."""

import logging
import tempfile

from django.conf import settings
from django.test.runner import DiscoverRunner
from django.test.utils import override_settings


class Runner(DiscoverRunner):
    def setup_test_environment(self, **kwargs):
        super().setup_test_environment(**kwargs)
        self._folder = tempfile.TemporaryDirectory(prefix="guestbook-tests-")
        self._settings = override_settings(
            MEDIA_ROOT=self._folder.name,
            STORAGES={
                **settings.STORAGES,
                "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
            },
        )
        self._settings.enable()
        # Tests ask for missing pages and send forged forms; that is no news.
        logging.disable(logging.CRITICAL)

    def teardown_test_environment(self, **kwargs):
        logging.disable(logging.NOTSET)
        self._settings.disable()
        self._folder.cleanup()
        super().teardown_test_environment(**kwargs)
