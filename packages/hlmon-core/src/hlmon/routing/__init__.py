"""Which alert reaches which notifier, when and with which others: pure functions, the clock is passed in."""

from hlmon.routing.decide import Policy, Surroundings, condition_of, decide, detained, route_named, take_over
from hlmon.routing.groups import Group, Waiting, merged, plan, urgency
from hlmon.routing.match import SEVERITIES, Inhibit, Matcher, NotifierPolicy, Route, Silence
from hlmon.routing.notice import Notice, NoticeState, is_put_back
from hlmon.routing.pace import Pace
from hlmon.routing.pairs import review

__all__ = [
    "SEVERITIES",
    "Group",
    "Inhibit",
    "Matcher",
    "Notice",
    "NoticeState",
    "NotifierPolicy",
    "Pace",
    "Policy",
    "Route",
    "Silence",
    "Surroundings",
    "Waiting",
    "condition_of",
    "decide",
    "detained",
    "is_put_back",
    "merged",
    "plan",
    "review",
    "route_named",
    "take_over",
    "urgency",
]
