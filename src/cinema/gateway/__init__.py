"""The one door: the gateway process of the platform."""
