"""Integers to the venue's decimal strings, and stateless reproducible random numbers."""

FIGURES = 5
_MASK = (1 << 64) - 1


def decimal_text(units: int, decimals: int) -> str:
    """`units` * 10 ** -decimals, without trailing zeros but with at least one decimal: "100505.0"."""
    if units < 0:
        return "-" + decimal_text(-units, decimals)
    if not decimals:
        return f"{units}.0"
    digits = str(units).rjust(decimals + 1, "0")
    return f"{digits[:-decimals]}.{digits[-decimals:].rstrip('0') or '0'}"


def float_text(value: float, decimals: int) -> str:
    """A float, rounded, in the form of `decimal_text`; for statistics."""
    return decimal_text(round(value * 10**decimals), decimals)


def mix(*parts: int) -> int:
    """64-bit hash of `parts` (splitmix64)."""
    state = 0
    for part in parts:
        state = (state + part + 0x9E3779B97F4A7C15) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        state ^= state >> 31
    return state


def gauss(*parts: int) -> float:
    """Approximately normal number with standard deviation 1 and at most 3.5: the sum of four 16-bit uniforms."""
    bits = mix(*parts)
    total = (bits & 0xFFFF) + (bits >> 16 & 0xFFFF) + (bits >> 32 & 0xFFFF) + (bits >> 48)
    return (total / 65_535 - 2.0) * 1.732


def uniform(*parts: int) -> float:
    """Uniform number in [0, 1)."""
    return mix(*parts) / (1 << 64)


def seed_of(text: str) -> int:
    """Seed derived from a name, the same in every process."""
    return mix(*text.encode())
