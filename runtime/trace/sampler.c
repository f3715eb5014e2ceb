#include "runtime/trace/sampler.h"

#include <stdlib.h>
#include <string.h>

static bool share_read(const char *text, double *out)
{
    char *end = NULL;
    if (!text || !*text) return true; /* the specification's default: 1 */
    double share = strtod(text, &end);
    if (*end || !(share >= 0 && share <= 1)) return false;
    *out = share;
    return true;
}

bool sampler_read(const char *name, const char *argument, sampler *out)
{
    static const char prefix[] = "parentbased_";
    *out = (sampler){.follows_parent = true, .share = 1};
    if (!name || !*name) return true;
    sampler read = {.follows_parent = strncmp(name, prefix, sizeof prefix - 1) == 0, .share = 1};
    const char *root = read.follows_parent ? name + sizeof prefix - 1 : name;
    bool known = strcmp(root, "always_on") == 0;
    if (strcmp(root, "always_off") == 0) {
        read.share = 0;
        known = true;
    } else if (strcmp(root, "traceidratio") == 0) {
        known = share_read(argument, &read.share);
    }
    if (known) *out = read;
    return known;
}

bool sampler_draws(const sampler *s) { return s->share > 0 && s->share < 1; }

uint64_t sampler_draw(const uint8_t trace[TRACE_ID_BYTES])
{
    uint64_t bits = 0;
    for (int i = TRACE_ID_BYTES - 8; i < TRACE_ID_BYTES; i++) bits = bits << 8 | trace[i];
    return bits;
}

bool sampler_takes(const sampler *s, uint64_t draw, const trace_parent *parent)
{
    if (s->follows_parent && parent) return parent->flags & TRACE_FLAG_SAMPLED;
    return s->share >= 1 || (double)(draw >> 1) < s->share * 0x1p63;
}
