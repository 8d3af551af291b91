from django.db import migrations, models

import entries.models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Entry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("author", models.CharField(max_length=80, verbose_name="name")),
                ("message", models.TextField(max_length=2000, verbose_name="message")),
                (
                    "attachment",
                    models.FileField(
                        blank=True,
                        max_length=200,
                        upload_to=entries.models.attachment_path,
                        verbose_name="photo or file",
                    ),
                ),
                ("created", models.DateTimeField(auto_now_add=True, db_index=True, verbose_name="written")),
            ],
            options={
                "verbose_name": "entry",
                "verbose_name_plural": "entries",
                "ordering": ["-created", "-id"],
            },
        ),
    ]
