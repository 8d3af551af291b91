"""What Holdall adds to a bundled project: settings that keep its data outside of the release."""
