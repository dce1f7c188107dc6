"""Who may do what to whose things. Pure: everything it judges is an argument."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """`public` is whoever has not signed in."""

    PUBLIC = "public"
    TRADER = "trader"
    SUPPORT = "support"
    ADMINISTRATOR = "administrator"


class Act(StrEnum):
    READ = "read"
    CHANGE = "change"  # create, change, end


class Reach(StrEnum):
    """Whose objects: nobody's, one's own, or anybody's."""

    NONE = "none"
    OWN = "own"
    ANY = "any"


@dataclass(frozen=True)
class Rule:
    """Reach per act for the three roles that sign in."""

    trader: tuple[Reach, Reach]  # (read, change)
    support: tuple[Reach, Reach]
    administrator: tuple[Reach, Reach]

    def reach(self, role: Role, act: Act) -> Reach:
        if role is Role.PUBLIC:
            return Reach.NONE
        read, change = getattr(self, role.value)
        return Reach(read if act is Act.READ else change)


_NONE, _OWN, _ANY = Reach.NONE, Reach.OWN, Reach.ANY

# One row per kind of object; later apps add theirs here. Support reads and changes nothing that is
# not its own, and what holds or gives access (keys, sessions) is not even read.
RULES: dict[str, Rule] = {
    "profile": Rule(trader=(_OWN, _OWN), support=(_ANY, _OWN), administrator=(_ANY, _ANY)),
    "session": Rule(trader=(_OWN, _OWN), support=(_OWN, _OWN), administrator=(_ANY, _ANY)),
    "api_key": Rule(trader=(_OWN, _OWN), support=(_OWN, _OWN), administrator=(_ANY, _ANY)),
    "audit": Rule(trader=(_OWN, _NONE), support=(_OWN, _NONE), administrator=(_ANY, _NONE)),
    "wallet": Rule(trader=(_OWN, _OWN), support=(_ANY, _NONE), administrator=(_ANY, _OWN)),
    "order": Rule(trader=(_OWN, _OWN), support=(_ANY, _NONE), administrator=(_ANY, _OWN)),
    "bot": Rule(trader=(_OWN, _OWN), support=(_ANY, _NONE), administrator=(_ANY, _OWN)),
}


def may(*, role: Role, act: Act, kind: str, owner: str | None, user: str | None) -> bool:
    """Whether `user`, being `role`, may do `act` to an object of `kind` that belongs to `owner`.

    Raises `KeyError` for a kind without a rule: what nobody has judged is not allowed.
    """
    reach = RULES[kind].reach(role, act)
    if reach is Reach.ANY:
        return True
    return reach is Reach.OWN and owner is not None and owner == user
