"""Bounces: what comes back by mail finds its delivery, and has its effect once."""

from uamail.pipeline.bounces.arrival import Arrived, arrived, take, tend
from uamail.pipeline.bounces.paper import on_paper
from uamail.pipeline.bounces.terms import Terms
from uamail.pipeline.bounces.verdict import Shown, settle, view

__all__ = ["Arrived", "Shown", "Terms", "arrived", "on_paper", "settle", "take", "tend", "view"]
