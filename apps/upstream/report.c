#include "apps/upstream/report.h"

#include <assert.h>
#include <string.h>

#include "apps/upstream/prose.h"
#include "apps/upstream/text.h"

/* Together no more than the angles that prose knows, else sentences would come twice. */
enum { SECTIONS = 4, SENTENCES = 3, ANGLES = SECTIONS * SENTENCES };

/* The sentence with the next source's mark before its full stop; every source is cited before any is cited again. */
static void add_cited(sw_ctx *c, text *t, const prompt *p, const char *sentence, size_t *cited)
{
    size_t len = strlen(sentence);
    assert(len > 0 && sentence[len - 1] == '.');
    text_append(c, t, sentence, len - 1);
    if (p->source_count > 0) text_addf(c, t, " [%lld]", (long long)p->sources[(*cited)++ % p->source_count].number);
    text_add(c, t, ".");
}

static void add_section(sw_ctx *c, text *t, const prompt *p, uint64_t seed, size_t section, size_t *cited)
{
    text_addf(c, t, "## %zu. On %s\n\n", section + 1, prose_angle(seed, section * SENTENCES));
    for (size_t i = 0; i < SENTENCES; i++) {
        add_cited(c, t, p, prose_make(c, PROSE_INSIGHT, p->topic, seed, section * SENTENCES + i), cited);
        text_add(c, t, i + 1 < SENTENCES ? " " : "\n\n");
    }
    text_addf(c, t, "%s\n\n", prose_make(c, PROSE_SYNTHESIS, p->topic, seed, section));
}

static void add_findings(sw_ctx *c, text *t, const prompt *p, uint64_t seed, size_t *cited)
{
    size_t count = p->source_count > ANGLES ? p->source_count - ANGLES : 0;
    if (count < 3) count = 3;
    text_add(c, t, "## Key findings\n\n");
    for (size_t i = 0; i < count; i++) {
        text_add(c, t, "- ");
        add_cited(c, t, p, prose_make(c, PROSE_CONNECTION, p->topic, seed, i % ANGLES), cited);
        text_add(c, t, "\n");
    }
    text_add(c, t, "\n");
}

static void add_references(sw_ctx *c, text *t, const prompt *p)
{
    text_add(c, t, "## References\n\n");
    if (p->source_count == 0) text_add(c, t, "No sources were given.\n");
    for (size_t i = 0; i < p->source_count; i++) {
        const prompt_source *source = &p->sources[i];
        text_addf(c, t, "[%lld] %s%s%s\n\n", (long long)source->number, source->title, *source->url ? ". " : "",
                  source->url);
    }
}

const char *report_make(sw_ctx *c, const prompt *p, uint64_t seed)
{
    assert(p && p->topic);
    text t = {0};
    size_t cited = 0;
    text_addf(c, &t, "# %s\n\n## Summary\n\n", prose_make(c, PROSE_HEADING, p->topic, seed, 0));
    for (size_t i = 0; i < 2; i++)
        text_addf(c, &t, "%s ", prose_make(c, PROSE_SYNTHESIS, p->topic, seed, i + SECTIONS));
    text_add(c, &t, "\n\n");
    for (size_t i = 0; i < SECTIONS; i++) add_section(c, &t, p, seed, i, &cited);
    add_findings(c, &t, p, seed, &cited);
    text_addf(c, &t, "## Open questions\n\n- %s\n- %s\n\n", prose_make(c, PROSE_REASONING, p->topic, seed, 0),
              prose_make(c, PROSE_REASONING, p->topic, seed, 1));
    add_references(c, &t, p);
    return t.data;
}

const char *report_short_answer(sw_ctx *c, const prompt *p, uint64_t seed)
{
    return sw_printf(c, "%s %s", prose_make(c, PROSE_SENTENCE, p->topic, seed, 0),
                     prose_make(c, PROSE_INSIGHT, p->topic, seed, 1));
}
