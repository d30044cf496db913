"""From the lines of a document to the draft of its action file."""

from collections.abc import Sequence

from uamail.drafting import text
from uamail.drafting.draft import Draft
from uamail.drafting.head import head
from uamail.drafting.lines import Line
from uamail.drafting.passage import editions
from uamail.drafting.people import people
from uamail.drafting.quotes import tidy
from uamail.drafting.text import Text

# A line of a web page's furniture is shorter, a passage longer.
_PASSAGE = 120


def drafted(lines: Sequence[Line]) -> Draft:
    """The draft of a document; it never fails, whatever the lines say."""
    draft = Draft()
    texts = [text.read(one) for one in editions(lines)]
    head(draft, texts, [line.text for line in lines])
    _office(draft)
    people(draft, texts)
    _country(draft)
    _letters(draft, texts)
    _background(draft, texts)
    _summaries(draft, texts)
    return draft


def _office(draft: Draft) -> None:
    draft.data["office"] = [{"country": "", "name": "", "address": [], "reply_to": "", "zone": ""}]
    draft.doubt("office[0]", "no document names the office that sends: write down yours, and one for each country")


def _country(draft: Draft) -> None:
    """Where no line names the action's country, that of the first target's address is a guess worth looking at."""
    if draft.data["action"]["country"]:
        return
    found = next((one["country"] for one in draft.data["address"] if one["country"]), "")
    draft.data["action"]["country"] = found
    words = "the document does not say it" + ("; this is where the first target is" if found else "")
    draft.doubt("action.country", words)


def _letters(draft: Draft, texts: Sequence[Text]) -> None:
    draft.data["letter"] = []
    for one in texts:
        if one.model is None:
            continue
        at = f"letter[{len(draft.data['letter'])}]"
        made = {"language": one.tag, "subject": draft.data["action"]["title"].get(one.tag, "")}
        draft.doubt(f"{at}.subject", "the document has no subject line: this is the title")
        made |= {"paragraphs": list(one.model.paragraphs), "demands": list(one.model.demands)}
        if not one.model.demands:
            draft.doubt(f"{at}.demands", "nothing tells the demands from the paragraphs")
        made["closing"] = one.model.closing or draft.missing(f"{at}.closing")
        draft.data["letter"].append({**made, "review": "draft"})
        draft.unused += one.model.furniture
    if not draft.data["letter"]:
        draft.doubt("letter", "there is no model letter in it")


def _background(draft: Draft, texts: Sequence[Text]) -> None:
    made = {}
    for one in texts:
        found = one.edition.find("background")
        if found is not None:
            made[one.tag] = "\n\n".join(tidy(line.text, one.tag) for line in found.lines)
        elif one.model is None and one.loose:
            made[one.tag] = "\n\n".join(tidy(line.text, one.tag) for line in one.loose if len(line.text) > _PASSAGE)
            draft.doubt(f"background.{one.tag}", "these are all long passages of the page: keep what is background")
            one.loose = [line for line in one.loose if len(line.text) <= _PASSAGE]
        draft.unused += [line.text for line in one.loose]
    if made:
        draft.data["background"] = made


def _summaries(draft: Draft, texts: Sequence[Text]) -> None:
    for one in texts:
        found = one.edition.find("summary")
        draft.unused += [line.text for line in found.lines] if found else []
