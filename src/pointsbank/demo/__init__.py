"""The demo city: Harbin's places and invented people, loaded through the same doors as a real city."""

from pointsbank.demo.credentials import Credential, demo_credentials
from pointsbank.demo.load import DemoRefused, load_demo
from pointsbank.demo.summary import DemoSummary

__all__ = ["Credential", "DemoRefused", "DemoSummary", "demo_credentials", "load_demo"]
