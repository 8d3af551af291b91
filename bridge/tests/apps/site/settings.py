import os
from pathlib import Path

BASE_DIR = Path(os.environ["SITE_ROOT"])
SECRET_KEY = "only for tests"
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["holdall_bridge"]
ROOT_URLCONF = "urls"
USE_TZ = True

FCGI_LOG = True
FCGI_LOG_PATH = "logs"
FCGI_DEBUG = True
