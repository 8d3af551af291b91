"""Holds what importlib.metadata tells of a release's packages against the wheels that they came from.

Argument: the folder site-packages, then the wheels. Prints, as JSON, by package the names of the files left out.
"""

import base64
import csv
import hashlib
import json
import os
import sys
from importlib import metadata

SITE, *WHEELS = sys.argv[1:]


def recorded(distribution):
    return [row[0] for row in csv.reader(distribution.read_text("RECORD").splitlines())]


def digest(algorithm, data):
    return base64.urlsafe_b64encode(hashlib.new(algorithm, data).digest()).rstrip(b"=").decode()


def check_files(distribution):
    """Every recorded file is there with its hash and size. Returns their places."""
    names = recorded(distribution)
    # files() may drop what is not there, and then says nothing.
    assert sorted(map(str, distribution.files)) == sorted(names), distribution.name
    places = set()
    for file in distribution.files:
        place = os.path.normpath(os.path.join(SITE, str(file)))
        places.add(place)
        with open(place, "rb") as content:
            data = content.read()
        if file.hash is None:
            assert file.name == "RECORD", place
        else:
            assert file.size == len(data) and file.hash.value == digest(file.hash.mode, data), place
    assert len(places) == len(names), distribution.name
    return places


def check_metadata(distribution, wheel):
    """What an installer writes is Holdall's, and the rest is the wheel's."""
    name = distribution.name
    assert distribution.read_text("INSTALLER") == "holdall\n", name
    assert distribution.read_text("direct_url.json") is None, name
    assert distribution.read_text("REQUESTED") is None, name
    assert distribution.read_text("METADATA") == wheel.read_text("METADATA"), name
    assert distribution.version == wheel.version and metadata.version(name) == wheel.version, name
    assert distribution.requires == wheel.requires == metadata.requires(name), name
    assert set(distribution.entry_points) == set(wheel.entry_points), name
    assert (distribution.read_text("entry_points.txt") is None) == (wheel.read_text("entry_points.txt") is None)


def left_out(distribution, wheel):
    own = {"RECORD", "RECORD.jws", "RECORD.p7s", "INSTALLER", "REQUESTED", "direct_url.json"}
    there = set(recorded(distribution))
    names = [name for name in recorded(wheel) if ".data/" not in name and name not in there]
    return [name for name in names if not (".dist-info/" in name and name.rsplit("/")[-1] in own)]


distributions = {d.metadata["Name"].lower(): d for d in metadata.distributions(path=[SITE])}
bridge = distributions.pop("holdall-bridge")
places = check_files(bridge)
out = {}
for file in WHEELS:
    (wheel,) = metadata.distributions(path=[file])
    distribution = distributions.pop(wheel.metadata["Name"].lower())
    check_metadata(distribution, wheel)
    places |= check_files(distribution)
    out[distribution.name] = left_out(distribution, wheel)
assert not distributions, distributions
assert metadata.entry_points(group="console_scripts"), "none"

there = {os.path.join(folder, name) for folder, _, names in os.walk(SITE) for name in names}
unknown = [place for place in there - places if not os.path.relpath(place, SITE).startswith("holdall")]
assert not unknown, sorted(unknown)[:20]
json.dump(out, sys.stdout)
