"""Tokens that are known by their own look: a vendor's prefix and what follows it.

The shapes are those the vendors give; the lengths stay a little below, because a log may have cut a token off. Each
pattern begins with one character that is rare in prose (the last of the prefix) and looks back from there: a search
for one character costs next to nothing, a search for sixty prefixes would cost more than storing the event.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import groupby
from typing import NamedTuple

from spark_plugin.redaction.spans import Span


class Kind(NamedTuple):
    """Tokens that begin with one of `starts` (of one length) and go on with `body`, a regular expression.

    Where a token's beginning is no fixed text, `before` describes what stands before the character in `starts`.
    `keep`: the beginning tells nothing and stays.
    """

    label: str
    starts: str
    body: str
    before: str = ""
    keep: bool = False


_AN = "[A-Za-z0-9]"

KINDS = (
    Kind("github token", "ghp_ gho_ ghu_ ghs_ ghr_", rf"{_AN}{{20,}}"),
    Kind("github token", "github_pat_", rf"{_AN}{{16,}}\w*"),
    Kind("stripe key", "sk_live_ rk_live_ sk_test_ rk_test_", rf"{_AN}{{14,}}"),
    Kind("stripe key", "whsec_", r"[A-Za-z0-9+/=]{20,}"),
    Kind("npm token", "npm_", rf"{_AN}{{30,}}"),
    Kind("hugging face token", "hf_", rf"{_AN}{{28,}}"),
    Kind("hugging face token", "api_org_", rf"{_AN}{{28,}}"),
    Kind("digitalocean token", "dop_v1_ doo_v1_ dor_v1_", rf"{_AN}{{32,}}"),
    Kind("shopify token", "shpat_ shpca_ shppa_ shpss_", rf"{_AN}{{24,}}"),
    Kind("linear key", "lin_api_", rf"{_AN}{{30,}}"),
    Kind("notion token", "ntn_", rf"{_AN}{{30,}}"),
    Kind("sentry token", "sntrys_ sntryu_", r"[\w+/=-]{30,}"),
    Kind("grafana token", "glsa_", rf"{_AN}{{28,}}(?:_[0-9a-f]{{8}})?"),
    Kind("grafana token", "glc_", r"eyJ[\w+/=]{20,}"),
    Kind("planetscale token", "pscale_pw_", r"[\w-]{30,}"),
    Kind("planetscale token", "pscale_tkn_", r"[\w-]{30,}"),
    Kind("supabase token", "sbp_", rf"{_AN}{{20,}}"),
    Kind("supabase token", "sb_secret_", r"[\w-]{20,}"),
    Kind("groq key", "gsk_", rf"{_AN}{{30,}}"),
    Kind("replicate token", "r8_", rf"{_AN}{{30,}}"),
    Kind("docker token", "dckr_pat_ dckr_oat_", r"[\w-]{20,}"),
    Kind("rubygems key", "rubygems_", r"[0-9a-f]{40,}"),
    Kind("figma token", "figd_", r"[\w-]{30,}"),
    Kind("gitlab token", "glpat- glptt- glcbt- glimt- gloas-", r"[\w-]{16,}(?:\.[\w-]{2,})*"),
    Kind("gitlab token", "gldt- glrt- glft-", r"[\w-]{16,}(?:\.[\w-]{2,})*"),
    Kind("gitlab token", "glsoat- glffct-", r"[\w-]{16,}"),
    Kind("slack token", "xoxa- xoxb- xoxc- xoxe- xoxo- xoxp- xoxr- xoxs-", r"[A-Za-z0-9-]{10,}"),
    Kind("slack token", "xoxe.xoxb- xoxe.xoxp-", r"[A-Za-z0-9-]{10,}"),
    Kind("slack token", "xoxd-", r"[\w%+-]{10,}"),
    Kind("slack token", "xapp-", r"\d-[A-Za-z0-9-]{16,}"),
    Kind("anthropic key", "sk-", r"ant-[\w-]{16,}"),
    Kind("openai key", "sk-", rf"(?=[A-Za-z_-]{{0,80}}+\d)(?=[\w-]{{0,100}}?{_AN}{{10}})[\w-]{{20,}}"),
    Kind("google secret", "GOCSPX-", r"[\w-]{20,}"),
    Kind("pypi token", "pypi-", r"(?:AgE[\w-]{16,}|(?=[a-z_-]{0,40}+[A-Z0-9])[\w-]{40,})"),
    Kind("square token", "sq0atp- sq0csp- sq0idp-", r"[\w-]{20,}"),
    Kind("postman key", "PMAK-", r"[0-9a-f]{20,}-[0-9a-f]{20,}"),
    Kind("new relic key", "NRAK-", r"[A-Z0-9]{20,}"),
    Kind("xai key", "xai-", rf"{_AN}{{40,}}"),
    Kind("perplexity key", "pplx-", rf"{_AN}{{30,}}"),
    Kind("nvidia key", "nvapi-", r"[\w-]{40,}"),
    Kind("age key", "AGE-SECRET-KEY-", r"1[A-Z0-9]{40,}"),
    Kind("google token", "ya29.", r"[\w-]{16,}"),
    Kind("sendgrid key", "SG.", r"[\w-]{16,}\.[\w-]{16,}"),
    Kind("vault token", "hvs. hvb. hvr.", r"(?=[A-Za-z_-]{0,60}+\d)[\w-]{20,}"),
    Kind("doppler token", "dp.pt. dp.st. dp.ct. dp.sa.", rf"{_AN}{{30,}}"),
    Kind("terraform token", ".", r"atlasv1\.[\w-]{40,}", before=rf"{_AN}{{14}}"),
    Kind("airtable token", ".", r"[0-9a-f]{60,64}(?![\w-])", before=rf"pat{_AN}{{14}}"),
    Kind(
        "discord token", ".", r"[\w-]{6,7}\.(?=[\w-]{0,40}\d|[\w-]{0,12}[A-Z])[\w-]{25,}", before=r"[MNO][\w-]{22,27}"
    ),
    Kind(
        "telegram token",
        ":",
        r"(?:AA|(?=[\w-]{0,34}\d)(?=[\w-]{0,34}[A-Z])[\w-]{2})[\w-]{33}(?![\w-])",
        before=r"\d{8,10}",
    ),
    # The first part is read up to where another token could begin, so that a row of beginnings is read once.
    Kind("jwt", "eyJ", r"(?=[\w-]{8})(?:[A-Za-z0-9]++|[-_](?!eyJ))++\.[\w-]{8,}(?:\.[\w-]*)*"),
    Kind("private key", "LS0tLS1CRUdJ", r"Ti(?:BSU0Eg|BQUklW|BFQyBQ|BPUEVO|BFTkNS)[A-Za-z0-9+/=]{40,}"),
    Kind("google key", "AIz", r"a[\w-]{30,}"),
    Kind("aws key", "AKIA ASIA ABIA ACCA", r"[A-Z0-9]{16}(?![A-Za-z0-9])"),
    Kind("twilio key", "SK", r"[0-9a-fA-F]{32}(?![A-Za-z0-9])"),
    Kind("databricks token", "dap", r"i(?=[a-z]{0,30}+\d)[A-Za-z0-9]{32}(?:-\d)?(?![A-Za-z0-9])"),
    Kind("atlassian token", "ATATT", r"3[\w=-]{40,}"),
    Kind("google token", "1//", r"0[\w-]{30,}"),
    Kind("slack webhook", "hooks.slack.com/", r"(?:services|workflows|triggers)/[\w/+-]{16,}", keep=True),
    Kind("slack webhook", r"hooks.slack.com\/", r"(?:services|workflows|triggers)\\/[\w/\\+-]{16,}", keep=True),
    Kind("signature", "?sig= &sig=", r"[\w%+/=-]{20,}", keep=True),
    Kind("signature", "-Signature=", r"[\w%+/=-]{32,}", keep=True),
    Kind("discord webhook", "/webhooks/", r"\d{10,}/[\w-]{30,}", keep=True),
)

# The edge before a token: no letter or digit, but for the escapes that end in one (\n, %3D, \u003d, colour codes).
_EDGES = (r"\\[abfnrtv]", r"%[0-9A-Fa-f]{2}", r"\\u[0-9A-Fa-f]{4}", r"\[\dm", r"\[\d\dm", r"\[\d;\d\dm", "/bot")
_AHEAD = r"(?=[\w.%+/=\\-]{10})"  # what every body begins with; fails at once behind the stops and dashes of prose
_REACH = 40
_FEWEST = 4  # different characters; with fewer it is a row of x or zeros that shows the shape
_AWS_SECRET = re.compile(r"[\s\S]{1,80}?(?<![A-Za-z0-9/+])([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])")


class Search(NamedTuple):
    """All kinds whose beginnings end in one character; group n of `pattern` is the n-th of `kinds`."""

    anchor: str
    pattern: re.Pattern[str]
    kinds: tuple[Kind, ...]


@cache
def searches() -> tuple[Search, ...]:
    """One search per last character of a beginning."""
    by_anchor = sorted(KINDS, key=lambda kind: kind.starts[-1])
    return tuple(_search(anchor, tuple(kinds)) for anchor, kinds in groupby(by_anchor, lambda kind: kind.starts[-1]))


def _search(anchor: str, kinds: tuple[Kind, ...]) -> Search:
    """The kinds are told apart by their last but one character first: most of what is met has none of them."""
    by_tail: dict[str, dict[Kind, list[str]]] = {}
    for kind in kinds:
        for start in kind.starts.split():
            by_tail.setdefault(start[-2:], {}).setdefault(kind, []).append(start)
    choices = [
        f"(?<={re.escape(tail)})(?:{'|'.join(f'({_alternative(kind, starts)})' for kind, starts in alike.items())})"
        for tail, alike in by_tail.items()
    ]
    ordered = tuple(kind for alike in by_tail.values() for kind in alike)
    tails = "".join({re.escape(tail[-2]) for tail in by_tail if len(tail) > 1})
    behind = f"(?<=[{tails}]{re.escape(anchor)})" if all(len(tail) > 1 for tail in by_tail) else ""
    return Search(anchor, re.compile(f"{re.escape(anchor)}{behind}{_AHEAD}(?:{'|'.join(choices)})", re.ASCII), ordered)


def _alternative(kind: Kind, starts: Sequence[str]) -> str:
    if kind.before:
        return kind.body
    if kind.keep:
        return f"(?<={'|'.join(map(re.escape, starts))}){kind.body}"
    width = len(starts[0])
    return f"(?<={'|'.join(map(re.escape, starts))}){_edge(width)}{kind.body}"


def _edge(width: int) -> str:
    """A pattern that holds where an edge lies `width` characters back."""
    return f"(?:(?<!{_AN}.{{{width}}})" + "".join(f"|(?<={edge}.{{{width}}})" for edge in _EDGES) + ")"


def tokens(text: str) -> Iterator[Span]:
    """Where `text` holds tokens."""
    for anchor, pattern, kinds in searches():
        found = pattern.search(text) if anchor in text else None
        while found:
            kind = kinds[(found.lastindex or 1) - 1]
            start = _start(text, found.start(), kind)
            if start is None:
                found = pattern.search(text, found.start() + 1)
                continue
            if len(set(text[found.start() + 1 : found.end()])) >= _FEWEST:
                yield Span(start, found.end(), kind.label)
            if kind.label == "aws key":
                yield from _aws_secret(text, found.end())
            found = pattern.search(text, found.end())


def _start(text: str, anchor: int, kind: Kind) -> int | None:
    """Where the token begins; None where what stands before it is not the kind's beginning."""
    if kind.keep:
        return anchor + 1
    if not kind.before:
        return anchor + 1 - len(kind.starts.split()[0])
    ahead = re.search(rf"{_edge(0)}{kind.before}\Z", text[max(0, anchor - _REACH) : anchor], re.ASCII)
    return None if ahead is None else anchor - len(ahead.group())


def _aws_secret(text: str, start: int) -> Iterator[Span]:
    """The secret that belongs to an access key has no look of its own; it is known by its place behind the id."""
    near = _AWS_SECRET.match(text, start)
    if near and re.search("[a-z]", near[1]) and re.search("[A-Z]", near[1]) and re.search("[0-9]", near[1]):
        yield Span(near.start(1), near.end(1), "aws secret key")
