/* The report: written from the learnings that fit the model's context, checked while it is streamed, and closed by a
 * list of the sources it cites. */
#include <assert.h>
#include <string.h>

#include "apps/research/citations.h"
#include "apps/research/model.h"
#include "apps/research/steps.h"
#include "apps/research/usage.h"

enum { TITLE_TOKENS_MAX = 60 };

/* What the writer is given. */
typedef struct material {
    sw_value learnings, doubts, notes, sources;
    bool *chosen;   /* of the learnings */
    size_t used;    /* how many of them the prompt has */
    int64_t *shown; /* for citations: n for each source that something given carries */
} material;

/* ---- Choosing ---- */

/* "[3][7]", as it is to be written. */
static const char *citation_marks(sw_ctx *c, sw_value numbers)
{
    sw_text all = {0};
    for (size_t i = 0; i < sw_len(numbers); i++)
        sw_text_add(c, &all, "[%lld]", (long long)sw_as_int(sw_at(numbers, i), 0));
    return sw_text_str(&all);
}

static sw_value learning_line(sw_ctx *c, sw_value l)
{
    return sw_map(c, "insight", sw_get(l, "insight"), "cite", sw_str(c, citation_marks(c, sw_get(l, "sources"))),
                  "trust", sw_get(l, "sourceRationale"), "connection", sw_get(l, "connection"));
}

static sw_value doubt_line(sw_ctx *c, sw_value d)
{
    return sw_map(c, "doubt", sw_get(d, "doubt"), "cite", sw_str(c, citation_marks(c, sw_get(d, "sources"))));
}

/* The rank of learning i among those of its query, which come most important first: 0 is the first. */
static size_t learning_rank(sw_value learnings, size_t i)
{
    size_t rank = 0;
    while (i > 0 && sw_equal(sw_get(sw_at(learnings, i), "query"), sw_get(sw_at(learnings, i - 1), "query")))
        rank++, i--;
    return rank;
}

static int64_t material_cost(sw_ctx *c, const material *m)
{
    int64_t sum = 0;
    for (size_t i = 0; i < sw_len(m->learnings); i++) sum += prompt_cost(c, learning_line(c, sw_at(m->learnings, i)));
    for (size_t i = 0; i < sw_len(m->doubts); i++) sum += prompt_cost(c, doubt_line(c, sw_at(m->doubts, i)));
    return sum;
}

/* Chooses learnings that cost at most so many tokens: the first of every query, earlier levels before later ones, then
 * the second of every query, and so on. */
static void material_choose(sw_ctx *c, material *m, int64_t tokens)
{
    size_t count = sw_len(m->learnings), left = count;
    for (size_t round = 0; left > 0; round++)
        for (size_t i = 0; i < count; i++) {
            if (learning_rank(m->learnings, i) != round) continue;
            left--;
            int64_t cost = prompt_cost(c, learning_line(c, sw_at(m->learnings, i)));
            if (cost > tokens) continue;
            tokens -= cost;
            m->chosen[i] = true;
        }
}

/* Allows sources to be cited, since something that the writer is given has their numbers. */
static void material_allow(const material *m, sw_value numbers)
{
    for (size_t i = 0; i < sw_len(numbers); i++) {
        int64_t n = sw_as_int(sw_at(numbers, i), 0);
        if (n >= 1 && (uint64_t)n <= sw_len(m->sources)) m->shown[n - 1] = n;
    }
}

/* ---- The prompt ---- */

static void report_say_learnings(prompt *p, material *m)
{
    for (size_t i = 0; i < sw_len(m->learnings); i++) {
        sw_value l = sw_at(m->learnings, i);
        if (!m->chosen[i]) continue;
        m->chosen[i] = prompt_offer(p, learning_line(p->c, l));
        m->used += m->chosen[i];
        if (m->chosen[i]) material_allow(m, sw_get(l, "sources"));
    }
    for (size_t i = 0; i < sw_len(m->doubts); i++) {
        sw_value d = sw_at(m->doubts, i);
        if (prompt_offer(p, doubt_line(p->c, d))) material_allow(m, sw_get(d, "sources"));
    }
}

/* Of queries some of whose learnings were left out: what their reader summed up. */
static void report_say_summaries(prompt *p, const material *m)
{
    for (size_t i = 0; m->used < sw_len(m->learnings) && i < sw_len(m->notes); i++) {
        sw_value note = sw_at(m->notes, i);
        bool whole = true;
        for (size_t k = 0; k < sw_len(m->learnings); k++)
            if (!m->chosen[k] && sw_equal(sw_get(sw_at(m->learnings, k), "query"), sw_get(note, "query")))
                whole = false;
        if (!whole && !prompt_offer(p, sw_map(p->c, "summary", sw_get(note, "note")))) return;
    }
}

static void report_say_titles(prompt *p, const material *m)
{
    prompt_say(p, "\nThe sources:\n");
    prompt_open(p, "sources");
    for (size_t i = 0; i < sw_len(m->sources); i++) {
        sw_value title = sw_get(sw_at(m->sources, i), "title");
        if (m->shown[i] == 0) continue;
        sw_value line = sw_map(p->c, "source", sw_int(m->shown[i]), "title", prompt_cut(p->c, title, TITLE_TOKENS_MAX));
        if (!prompt_offer(p, line)) break;
    }
    prompt_close(p, "sources");
}

/* Of the room a fifth is for the sources' titles, and if not all findings fit, another for summaries and doubts. */
static void report_say_findings(prompt *p, material *m)
{
    sw_ctx *c = p->c;
    int64_t fifth = p->left / 5, all = material_cost(c, m);
    bool fits = all <= p->left - fifth;
    material_choose(c, m, fits ? all : p->left - 2 * fifth);
    prompt_say(p, "\nThe findings:\n");
    prompt_open(p, "findings");
    p->reserved = fits ? fifth : fifth + fifth / 2;
    report_say_learnings(p, m);
    p->reserved = fifth;
    report_say_summaries(p, m);
    p->reserved = 0;
    prompt_close(p, "findings");
}

static const char *report_prompt(sw_ctx *c, sw_value input, material *m)
{
    prompt p = step_prompt(c, model_report_room());
    prompt_say(
        &p, "Write a research report in Markdown from the findings below: a title, a summary, sections with headings, "
            "and a last section on what is uncertain and where sources disagree, with both sides. Say nothing that no "
            "finding says. Cite every finding you use by the numbers in its \"cite\", as in [3] or [3][7], right where "
            "it is used, and no other numbers. Write no list of references and no URLs: both are added.\n\n");
    prompt_line(&p, "Today", step_text(c, input, "today"));
    prompt_line(&p, "Topic", step_text(c, input, "topic"));
    prompt_line(&p, "What the author answered when asked about it", sw_json(c, sw_get(input, "clarifications")).data);
    if (sw_len(m->learnings) == 0)
        prompt_say(&p, "\nThere are no findings: say so, in a few sentences, and how one might ask instead.\n");
    report_say_findings(&p, m);
    report_say_titles(&p, m);
    return sw_text_str(&p.text);
}

/* ---- The text ---- */

static void report_push(sw_ctx *c, const char *data, size_t len)
{
    if (len > 0) sw_push_chunk(c, sw_map(c, "type", sw_str(c, "token"), "text", sw_strn(c, data, len)));
}

static void report_take(void *arg, const char *data, size_t len)
{
    citations *f = arg;
    sw_bytes piece = citations_take(f, data, len, false);
    report_push(f->c, piece.data, piece.len);
}

/* A title or URL from the web as plain text in Markdown. */
static void text_add_plain(sw_ctx *c, sw_text *t, const char *words, bool is_url)
{
    for (const char *at = words; *at; at++) {
        unsigned char ch = (unsigned char)*at;
        if (is_url && (ch <= ' ' || strchr("<>\"`\\*[]|", *at)))
            sw_text_add(c, t, "%%%02X", ch);
        else if (ch < ' ')
            sw_text_add(c, t, " ");
        else if (!is_url && strchr("\\`*_[]<>#|~&", *at))
            sw_text_add(c, t, "\\%c", *at);
        else
            sw_text_add_bytes(c, t, at, 1);
    }
}

/* What the program adds behind the model's text: how much of the findings it is from, and its references. */
static const char *report_ending(sw_ctx *c, const material *m, const citations *f)
{
    sw_text t = {0};
    size_t cited = 0, of = sw_len(m->learnings);
    const char *end = f->out.len > 0 && f->out.data[f->out.len - 1] == '\n' ? "\n" : "\n\n";
    sw_text_add(c, &t, "%s", end);
    if (m->used < of)
        sw_text_add(
            c, &t,
            "*This report was written from %zu of the %zu findings of the research; of the others only summaries "
            "fitted the model's context.*\n\n",
            m->used, of);
    sw_text_add(c, &t, "## References\n");
    for (size_t i = 0; i < sw_len(m->sources); i++) {
        if (!f->cited[i]) continue;
        cited++;
        sw_text_add(c, &t, "\n[%zu] ", i + 1);
        text_add_plain(c, &t, step_text(c, sw_at(m->sources, i), "title"), false);
        sw_text_add(c, &t, ". ");
        text_add_plain(c, &t, step_text(c, sw_at(m->sources, i), "url"), true);
        sw_text_add(c, &t, "\n");
    }
    if (cited == 0) sw_text_add(c, &t, "\nThe report cites no source.\n");
    return sw_text_str(&t);
}

static sw_value write_report(sw_ctx *c, const char *words, const material *m, sw_value *usage)
{
    citations f = citations_new(c, m->shown, sw_len(m->sources));
    (void)model_write(c, step_system, words, (model_sink){report_take, &f}, usage);
    sw_bytes rest = citations_take(&f, "", 0, true);
    report_push(c, rest.data, rest.len);
    if (f.dropped > 0)
        sw_log(c, "generate-report: %zu citations of sources that nothing given carries, taken out:%.300s", f.dropped,
               sw_text_str(&f.dropped_marks));
    const char *last = report_ending(c, m, &f);
    report_push(c, last, strlen(last));
    sw_text_add(c, &f.out, "%s", last);
    return sw_strn(c, sw_text_str(&f.out), f.out.len);
}

sw_value step_report(sw_ctx *c, sw_value input)
{
    step_begin(c, input, "generate-report", "report", "Writing the report");
    material m = {.learnings = sw_get(input, "learnings"),
                  .doubts = sw_get(input, "doubts"),
                  .notes = sw_get(input, "notes"),
                  .sources = sw_get(input, "sources")};
    m.chosen = sw_alloc(c, sw_len(m.learnings) + 1);
    m.shown = sw_alloc(c, (sw_len(m.sources) + 1) * sizeof *m.shown);
    const char *words = report_prompt(c, input, &m);
    assert(m.used <= sw_len(m.learnings));
    sw_value insights = sw_map(c, "used", sw_int((int64_t)m.used), "of", sw_int((int64_t)sw_len(m.learnings)));
    sw_push_chunk(c, sw_map(c, "type", sw_str(c, "writing"), "sources", m.sources, "insights", insights));
    sw_value usage = usage_none(c), report = write_report(c, words, &m, &usage);
    step_tell_usage(c, usage);
    return sw_map(c, "report", report, "insights", insights, "usage", usage);
}
