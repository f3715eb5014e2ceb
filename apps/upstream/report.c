#include "apps/upstream/report.h"

#include <assert.h>
#include <string.h>

#include "apps/upstream/chance.h"
#include "apps/upstream/prose.h"

/* Together no more than the angles that prose knows, else sentences would come twice. */
enum { FINDINGS_OF_SECTION = 6, SECTIONS = 4, SENTENCES = 3, ANGLES = SECTIONS * SENTENCES };

/* The sentence with the next source's mark before its full stop; every source is cited before any is cited again. */
static void report_add_cited(sw_ctx *c, sw_text *t, const prompt *p, const char *sentence, size_t *cited)
{
    size_t len = strlen(sentence);
    assert(len > 0 && sentence[len - 1] == '.');
    sw_text_add_bytes(c, t, sentence, len - 1);
    if (p->source_count > 0) sw_text_add(c, t, " [%lld]", (long long)p->sources[(*cited)++ % p->source_count].number);
    sw_text_add(c, t, ".");
}

static void report_add_section(sw_ctx *c, sw_text *t, const prompt *p, uint64_t seed, size_t section, size_t *cited)
{
    sw_text_add(c, t, "## %zu. On %s\n\n", section + 1, prose_angle(seed, section * SENTENCES));
    for (size_t i = 0; i < SENTENCES; i++) {
        report_add_cited(c, t, p, prose_make(c, PROSE_INSIGHT, p->topic, seed, section * SENTENCES + i), cited);
        sw_text_add(c, t, "%s", i + 1 < SENTENCES ? " " : "\n\n");
    }
    sw_text_add(c, t, "%s\n\n", prose_make(c, PROSE_SYNTHESIS, p->topic, seed, section));
}

static void report_add_findings(sw_ctx *c, sw_text *t, const prompt *p, uint64_t seed, size_t *cited)
{
    size_t count = p->source_count > ANGLES ? p->source_count - ANGLES : 0;
    if (count < 3) count = 3;
    sw_text_add(c, t, "## Key findings\n\n");
    for (size_t i = 0; i < count; i++) {
        sw_text_add(c, t, "- ");
        report_add_cited(c, t, p, prose_make(c, PROSE_CONNECTION, p->topic, seed, i % ANGLES), cited);
        sw_text_add(c, t, "\n");
    }
    sw_text_add(c, t, "\n");
}

/* A model that was told how long its answer may be ends in time; a token here has more than three bytes. */
static bool report_is_long(const sw_text *t, const prompt *p, int64_t share)
{
    return p->tokens_max > 0 && (int64_t)t->len / 3 > p->tokens_max * share / 10;
}

static void report_add_references(sw_ctx *c, sw_text *t, const prompt *p)
{
    sw_text_add(c, t, "## References\n\n");
    if (p->source_count == 0) sw_text_add(c, t, "No sources were given.\n");
    for (size_t i = 0; i < p->source_count && !report_is_long(t, p, 9); i++) {
        const prompt_source *source = &p->sources[i];
        sw_text_add(c, t, "[%lld] %s%s%s\n\n", (long long)source->number, source->title, *source->url ? ". " : "",
                    source->url);
    }
}

/* ---- From findings ---- */

/* The finding with its marks, as a writer would who follows them; now and then with one that it does not have. */
static void report_add_finding(sw_ctx *c, sw_text *t, const prompt *p, const prompt_finding *f, uint64_t seed)
{
    size_t len = strlen(f->words);
    if (len > 0 && f->words[len - 1] == '.') len--;
    sw_text_add_bytes(c, t, f->words, len);
    if (f->mark_count > 0) sw_text_add(c, t, " ");
    for (size_t i = 0; i < f->mark_count; i++) sw_text_add(c, t, "[%lld]", (long long)f->marks[i]);
    uint64_t draw = chance_hash(seed, f->words, len);
    /* Of a number that is nowhere, and of one that another finding may have. */
    if (chance_unit(draw) < p->wrong_citations)
        sw_text_add(c, t, draw % 2 ? " [%llu]" : " [1, %llu]", 9000ULL + (unsigned long long)(draw % 99));
    sw_text_add(c, t, ".");
}

static void report_add_all(sw_ctx *c, sw_text *t, const prompt *p, bool doubts, uint64_t seed)
{
    size_t count = 0;
    for (size_t i = 0; i < p->finding_count && !report_is_long(t, p, doubts ? 8 : 6); i++) {
        if (p->findings[i].is_doubt != doubts) continue;
        if (!doubts && count % FINDINGS_OF_SECTION == 0)
            sw_text_add(c, t, "## %zu. On %s\n\n", count / FINDINGS_OF_SECTION + 1,
                        prose_angle(seed, count / FINDINGS_OF_SECTION));
        sw_text_add(c, t, "- ");
        report_add_finding(c, t, p, &p->findings[i], seed);
        count++;
        sw_text_add(c, t, "%s", !doubts && count % FINDINGS_OF_SECTION == 0 ? "\n\n" : "\n");
    }
    sw_text_add(c, t, "%s", count > 0 ? "\n" : "Nothing.\n\n");
}

static const char *report_of_findings(sw_ctx *c, const prompt *p, uint64_t seed)
{
    sw_text t = {0};
    sw_text_add(c, &t, "# %s\n\n## Summary\n\n", prose_make(c, PROSE_HEADING, p->topic, seed, 0));
    sw_text_add(c, &t, "%s\n\n", prose_make(c, PROSE_SYNTHESIS, p->topic, seed, 0));
    report_add_all(c, &t, p, false, seed);
    sw_text_add(c, &t, "## What is uncertain\n\n");
    report_add_all(c, &t, p, true, seed);
    report_add_references(c, &t, p); /* told not to or not: some models do */
    return sw_text_str(&t);
}

const char *report_make(sw_ctx *c, const prompt *p, uint64_t seed)
{
    assert(p && p->topic);
    if (p->finding_count > 0) return report_of_findings(c, p, seed);
    sw_text t = {0};
    size_t cited = 0;
    sw_text_add(c, &t, "# %s\n\n## Summary\n\n", prose_make(c, PROSE_HEADING, p->topic, seed, 0));
    for (size_t i = 0; i < 2; i++)
        sw_text_add(c, &t, "%s ", prose_make(c, PROSE_SYNTHESIS, p->topic, seed, i + SECTIONS));
    sw_text_add(c, &t, "\n\n");
    for (size_t i = 0; i < SECTIONS; i++) report_add_section(c, &t, p, seed, i, &cited);
    report_add_findings(c, &t, p, seed, &cited);
    sw_text_add(c, &t, "## Open questions\n\n- %s\n- %s\n\n", prose_make(c, PROSE_REASONING, p->topic, seed, 0),
                prose_make(c, PROSE_REASONING, p->topic, seed, 1));
    report_add_references(c, &t, p);
    return sw_text_str(&t);
}

const char *report_short_answer(sw_ctx *c, const prompt *p, uint64_t seed)
{
    return sw_printf(c, "%s %s", prose_make(c, PROSE_SENTENCE, p->topic, seed, 0),
                     prose_make(c, PROSE_INSIGHT, p->topic, seed, 1));
}
