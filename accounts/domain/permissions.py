"""Permission rules: role × action × kind of object × ownership. Pure: all inputs are arguments."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """Role of a user; `public` is an anonymous visitor."""

    PUBLIC = "public"
    TRADER = "trader"
    SUPPORT = "support"
    ADMINISTRATOR = "administrator"


STAFF_ROLES = (Role.ADMINISTRATOR, Role.SUPPORT)  # the strongest first


class Action(StrEnum):
    """Kind of access that is checked."""

    READ = "read"
    CHANGE = "change"  # create, update or delete


class AccessScope(StrEnum):
    """Objects that a role can access: none, the user's own, or those of all users."""

    NONE = "none"
    OWN = "own"
    ANY = "any"


@dataclass(frozen=True)
class Rule:
    """Access scope per action of the three signed-in roles."""

    trader: tuple[AccessScope, AccessScope]  # (read, change)
    support: tuple[AccessScope, AccessScope]
    administrator: tuple[AccessScope, AccessScope]

    def scope(self, role: Role, act: Action) -> AccessScope:
        """The objects to which `role` may do `act`."""
        if role is Role.PUBLIC:
            return AccessScope.NONE
        read, change = getattr(self, role.value)
        return AccessScope(read if act is Action.READ else change)


_NONE, _OWN, _ANY = AccessScope.NONE, AccessScope.OWN, AccessScope.ANY

# One row per kind of object; other apps add theirs here. Support reads, but changes nothing of other
# users, and cannot even read objects that give access (API keys, sessions).
RULES: dict[str, Rule] = {
    "profile": Rule(trader=(_OWN, _OWN), support=(_ANY, _OWN), administrator=(_ANY, _ANY)),
    "session": Rule(trader=(_OWN, _OWN), support=(_OWN, _OWN), administrator=(_ANY, _ANY)),
    "api_key": Rule(trader=(_OWN, _OWN), support=(_OWN, _OWN), administrator=(_ANY, _ANY)),
    "audit": Rule(trader=(_OWN, _NONE), support=(_OWN, _NONE), administrator=(_ANY, _NONE)),
    "wallet": Rule(trader=(_OWN, _OWN), support=(_ANY, _NONE), administrator=(_ANY, _OWN)),
    "order": Rule(trader=(_OWN, _OWN), support=(_ANY, _NONE), administrator=(_ANY, _OWN)),
    "bot": Rule(trader=(_OWN, _OWN), support=(_ANY, _NONE), administrator=(_ANY, _OWN)),
}


def is_allowed(*, role: Role, act: Action, kind: str, owner: str | None, user: str | None) -> bool:
    """Whether `user` with `role` may do `act` to an object of `kind` that belongs to `owner`.

    Raises `KeyError` for a kind without a rule: access must be declared explicitly.
    """
    scope = RULES[kind].scope(role, act)
    if scope is AccessScope.ANY:
        return True
    return scope is AccessScope.OWN and owner is not None and owner == user
