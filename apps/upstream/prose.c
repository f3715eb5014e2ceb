#include "apps/upstream/prose.h"

#include <assert.h>
#include <string.h>

#include "apps/upstream/chance.h"
#include "apps/upstream/text.h"

enum { ANGLES = 12, QUALIFIERS = 8, TEMPLATES = 6, QUESTIONS = 6, OPTIONS = 5, SUBJECT_MAX = 100 };

static const char *const angles[ANGLES] = {
    "history and origins",       "state of the art",      "costs and economics",   "risks and limits",
    "measurements and evidence", "alternatives compared", "policy and regulation", "case studies",
    "methods and mechanisms",    "people and practice",   "environmental effects", "outlook for the next decade"};

static const char *const qualifiers[QUALIFIERS] = {
    "in practice",       "since 2020",         "across countries", "in independent studies",
    "and open disputes", "for small projects", "at large scale",   "and what was abandoned"};

/* {t} is the topic, {a} an angle, {q} a qualifier. */
static const char *const templates[PROSE_KINDS][TEMPLATES] = {
    [PROSE_QUERY] = {"{t}: {a}", "{t} {a}", "{t} {a} overview", "{a} of {t}", "{t} {a} review", "{t} research on {a}"},
    [PROSE_FOLLOW_UP] = {"{t}: {a} {q}", "{t} {a} {q}", "{a} of {t} {q}", "{t} {q}: {a}", "evidence on {t}: {a} {q}",
                         "{t}: new work on {a} {q}"},
    [PROSE_REASONING] = {"Without {a}, any account of {t} stays one-sided.",
                         "Sources on {a} show whether the common claims about {t} hold.",
                         "{a} is where experts on {t} disagree most, so it decides the outcome.",
                         "Most decisions about {t} turn on {a}; first-hand figures are needed.",
                         "The findings so far say little about {a}; this closes the gap.",
                         "Looking at {a} tells lasting effects of {t} from passing ones."},
    [PROSE_ANGLE] = {"{a}", "{a}", "{a}", "{a}", "{a}", "{a}"},
    [PROSE_INSIGHT] = {"On {a}, the sources agree that {t} changed markedly within the last ten years.",
                       "For {a}, reported figures on {t} differ by a factor of two, mostly through what is counted.",
                       "Practitioners see {a} as the part of {t} that is understood least.",
                       "Where {t} was studied over several years, effects on {a} were smaller than first reported.",
                       "Early work on {t} overlooked {a}; later reviews treat it as decisive.",
                       "Two independent groups reached the same result on {a} for {t} with different methods."},
    [PROSE_RATIONALE] = {"The source reports first-hand figures on {a} and names its method.",
                         "A review that cites the primary studies on {a}.",
                         "Written by practitioners; it describes {a} in detail and admits gaps.",
                         "Recent, and it compares several accounts of {a}.",
                         "An institution that collects data on {a} year by year.",
                         "It disagrees with the other sources on {a}, and says why."},
    [PROSE_CONNECTION] = {"It explains why {t} looks different once {a} is taken into account.",
                          "It links {a} to the question of what {t} costs and who bears it.",
                          "It supports the finding on {a} and narrows where it applies.",
                          "It contradicts the usual story of {t} with regard to {a}.",
                          "It gives the background that the other findings on {a} assume.",
                          "It shows how {a} and the rest of {t} depend on each other."},
    [PROSE_SYNTHESIS] = {"Taken together, the sources describe {t} as settled in its basics and open in {a}.",
                         "The findings converge: for {t}, {a} matters more than is usually said.",
                         "The sources differ on {a}; the better documented ones on {t} agree with each other.",
                         "What is known of {t} rests on few primary studies, most of them about {a}.",
                         "The picture of {t} is consistent, with {a} as the largest unknown.",
                         "New work on {a} is likely to change what is believed about {t}."},
    [PROSE_DOUBT] = {"On {a}, one source gives twice the figure of another for {t}.",
                     "How {t} acts on {a} rests on a single study.",
                     "For {a}, no source has first-hand figures on {t}.",
                     "Sources on {t} use different definitions of {a}.",
                     "Whether {a} matters for {t} is disputed between practitioners and reviewers.",
                     "The figures on {a} are older than most other work on {t}."},
    [PROSE_TITLE] = {"{t}: {a}", "A review of {t}: {a}", "{t} and its {a}", "Understanding {t}: {a}",
                     "{t}, a field guide: {a}", "What we know about {t}: {a}"},
    [PROSE_HEADING] = {"{t}", "{t}", "{t}", "{t}", "{t}", "{t}"},
    [PROSE_SENTENCE] = {"This concerns {t}, above all {a}.", "For {t}, {a} is worth a closer look.",
                        "In {t}, {a} comes up again and again.", "A short word on {t}: {a} decides much of it.",
                        "{t} cannot be understood without {a}.", "Much about {t} is explained by {a}."}};

static const struct {
    const char *question; /* {t} is the topic */
    const char *options[OPTIONS];
} questions[QUESTIONS] = {
    {"What is the main purpose of this research on {t}?",
     {"A general overview", "A decision I have to make", "Background for writing", "Teaching", "Curiosity"}},
    {"How deep should the treatment of {t} go?",
     {"For newcomers", "For informed readers", "For specialists", "A summary for managers", "Full technical detail"}},
    {"Which period of {t} matters most?",
     {"The last two years", "The last ten years", "Its whole history", "What comes next", "No preference"}},
    {"Which side of {t} interests you most?",
     {"How it works", "What it costs", "Risks and limits", "Who uses it", "Alternatives to it"}},
    {"Which region should the sources on {t} cover?",
     {"Worldwide", "Europe", "North America", "Asia", "The global South"}},
    {"Which kind of sources on {t} do you trust most?",
     {"Peer-reviewed studies", "Official statistics", "Practitioners' reports", "Journalism", "A mix of all"}}};

static size_t start_of(uint64_t seed, size_t count) { return (size_t)(chance_mix(seed, count) % count); }

const char *prose_angle(uint64_t seed, size_t index) { return angles[(start_of(seed, ANGLES) + index) % ANGLES]; }

static char *filled(sw_ctx *c, const char *template, const char *topic, const char *angle, const char *qualifier)
{
    sw_text t = {0};
    for (const char *at = template; *at;) {
        size_t plain = strcspn(at, "{");
        sw_text_add_bytes(c, &t, at, plain);
        at += plain;
        if (!*at) break;
        assert(at[1] && at[2] == '}');
        sw_text_add(c, &t, "%s", at[1] == 't' ? topic : at[1] == 'a' ? angle : qualifier);
        at += 3;
    }
    assert(t.len > 0);
    return sw_printf(c, "%s", sw_text_str(&t)); /* its own, to be capitalized */
}

/* Sentences and titles may begin with an angle or a topic in lower case. */
static char *capitalized(char *made)
{
    if (*made >= 'a' && *made <= 'z') *made = (char)(*made - 'a' + 'A');
    return made;
}

const char *prose_option(sw_ctx *c, uint64_t seed, size_t question, size_t index)
{
    const char *option = questions[(start_of(seed, QUESTIONS) + question) % QUESTIONS].options[index % OPTIONS];
    return index < OPTIONS ? option : sw_printf(c, "%s (%zu)", option, index / OPTIONS + 1);
}

const char *prose_make(sw_ctx *c, prose_kind kind, const char *topic, uint64_t seed, size_t index)
{
    assert(kind < PROSE_KINDS);
    const char *subject = text_cut(c, topic, SUBJECT_MAX);
    if (kind == PROSE_QUESTION)
        return capitalized(
            filled(c, questions[(start_of(seed, QUESTIONS) + index) % QUESTIONS].question, subject, "", ""));
    if (kind == PROSE_OPTION) return prose_option(c, seed, 0, index);
    const char *template = templates[kind][(start_of(seed, TEMPLATES) + index) % TEMPLATES];
    const char *qualifier = qualifiers[(start_of(seed, QUALIFIERS) + index) % QUALIFIERS];
    char *made = filled(c, template, subject, prose_angle(seed, index), qualifier);
    if (kind != PROSE_QUERY && kind != PROSE_FOLLOW_UP && kind != PROSE_ANGLE) made = capitalized(made);
    /* After all angles the texts would repeat. */
    return index < ANGLES ? made : sw_printf(c, "%s (%zu)", made, index / ANGLES + 1);
}
