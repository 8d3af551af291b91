"""The WSGI application of the Django project whose settings are in force: what ``manage.py fcgi`` serves."""

from django.core.servers.basehttp import get_internal_wsgi_application

application = get_internal_wsgi_application()
