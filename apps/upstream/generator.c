#include "apps/upstream/generator.h"

#include <assert.h>
#include <math.h>
#include <string.h>
#include <strings.h>

#include "apps/upstream/chance.h"
#include "apps/upstream/prose.h"
#include "apps/upstream/schema.h"

enum { DEPTH_OPTIONAL_MAX = 8, DEPTH_MAX = 40, ITEMS_MAX = 1000 };

typedef struct generator {
    sw_ctx *c;
    const prompt *prompt;
    sw_value root; /* what "$ref" points into */
    uint64_t seed;
} generator;

/* Where in the value we are. */
typedef struct place {
    const char *name;  /* of the nearest property */
    const char *array; /* of the nearest array, "" if none */
    size_t index;      /* in that array */
    size_t outer;      /* in the array round it */
    uint64_t hash;     /* of the whole path */
    unsigned depth;
} place;

static sw_value value_of(const generator *g, sw_value schema, place at);

/* ---- Strings ---- */

static const struct {
    const char *name;
    prose_kind kind;
} string_kinds[] = {{"query", PROSE_QUERY},
                    {"queries", PROSE_QUERY},
                    {"followups", PROSE_FOLLOW_UP},
                    {"follow_ups", PROSE_FOLLOW_UP},
                    {"followupquestions", PROSE_FOLLOW_UP},
                    {"reasoning", PROSE_REASONING},
                    {"rationale", PROSE_REASONING},
                    {"angle", PROSE_ANGLE},
                    {"insight", PROSE_INSIGHT},
                    {"learnings", PROSE_INSIGHT},
                    {"sourcerationale", PROSE_RATIONALE},
                    {"source_rationale", PROSE_RATIONALE},
                    {"connection", PROSE_CONNECTION},
                    {"synthesisnote", PROSE_SYNTHESIS},
                    {"synthesis_note", PROSE_SYNTHESIS},
                    {"synthesis", PROSE_SYNTHESIS},
                    {"summary", PROSE_SYNTHESIS},
                    {"doubt", PROSE_DOUBT},
                    {"question", PROSE_QUESTION},
                    {"questions", PROSE_QUESTION},
                    {"title", PROSE_TITLE}};

static bool is_follow_up(const char *name) { return strncasecmp(name, "follow", 6) == 0; }

static prose_kind kind_of(place at)
{
    for (size_t i = 0; i < sizeof string_kinds / sizeof string_kinds[0]; i++) {
        if (strcasecmp(at.name, string_kinds[i].name) != 0) continue;
        if (string_kinds[i].kind == PROSE_QUERY && is_follow_up(at.array)) return PROSE_FOLLOW_UP;
        return string_kinds[i].kind;
    }
    return PROSE_SENTENCE;
}

static const char *string_of_format(const generator *g, const char *format, place at)
{
    unsigned day = (unsigned)(at.hash % 28) + 1;
    unsigned long long low = at.hash & 0xffffffffffffULL;
    if (strcmp(format, "date") == 0) return sw_printf(g->c, "2026-10-%02u", day);
    if (strcmp(format, "date-time") == 0) return sw_printf(g->c, "2026-10-%02uT12:00:00Z", day);
    if (strcmp(format, "time") == 0) return "12:00:00Z";
    if (strcmp(format, "duration") == 0) return "P1D";
    if (strcmp(format, "email") == 0) return sw_printf(g->c, "reader%u@example.org", day);
    if (strcmp(format, "hostname") == 0) return "www.example.org";
    if (strcmp(format, "ipv4") == 0) return "192.0.2.1";
    if (strcmp(format, "ipv6") == 0) return "2001:db8::1";
    if (strcmp(format, "uri") == 0) return sw_printf(g->c, "https://example.org/%llx", low);
    if (strcmp(format, "uuid") == 0) return sw_printf(g->c, "00000000-0000-4000-8000-%012llx", low);
    return NULL;
}

/* Two texts of one object should not speak of the same angle unless they are about the same item. */
static const char *string_of_name(const generator *g, place at)
{
    const prompt *p = g->prompt;
    prose_kind kind = kind_of(at);
    uint64_t seed = chance_hash_text(g->seed, at.array);
    if (strcasecmp(at.name, "id") == 0) return sw_printf(g->c, "%.1s%zu", *at.array ? at.array : "i", at.index + 1);
    if (strcasecmp(at.name, "url") == 0 && at.index < p->source_count) return p->sources[at.index].url;
    if (strcasecmp(at.name, "options") == 0)
        return prose_option(g->c, chance_hash_text(g->seed, "questions"), at.outer, at.index);
    if (kind == PROSE_QUESTION) seed = chance_hash_text(g->seed, "questions");
    if (kind == PROSE_SENTENCE) seed = chance_hash_text(seed, at.name);
    return prose_make(g->c, kind, p->topic, seed, at.index);
}

/* In characters of Unicode, which is what a schema's limits count. */
static size_t character_count(const char *string)
{
    size_t count = 0;
    for (; *string; string++) count += ((unsigned char)*string & 0xC0) != 0x80;
    return count;
}

static sw_value string_of(const generator *g, sw_value schema, place at)
{
    const char *format = sw_cstr(g->c, sw_get(schema, "format"));
    const char *string = format ? string_of_format(g, format, at) : NULL;
    if (!string) string = string_of_name(g, at);
    int64_t min = sw_as_int(sw_get(schema, "minLength"), 0), max = sw_as_int(sw_get(schema, "maxLength"), -1);
    sw_text t = {0};
    sw_text_add(g->c, &t, "%s", string);
    while ((int64_t)character_count(t.data) < min) sw_text_add(g->c, &t, " %s", string);
    if (max >= 0 && (int64_t)character_count(t.data) > max) {
        size_t bytes = 0;
        for (int64_t n = 0; t.data[bytes]; bytes++)
            if (((unsigned char)t.data[bytes] & 0xC0) != 0x80 && n++ == max) break;
        return sw_strn(g->c, t.data, bytes);
    }
    return sw_strn(g->c, t.data, t.len);
}

/* ---- Numbers ---- */

static void limits_of(sw_value schema, double step, double *min, double *max)
{
    double low = sw_as_double(sw_get(schema, "minimum"), NAN), high = sw_as_double(sw_get(schema, "maximum"), NAN);
    double above = sw_as_double(sw_get(schema, "exclusiveMinimum"), NAN);
    double below = sw_as_double(sw_get(schema, "exclusiveMaximum"), NAN);
    if (!isnan(above) && (isnan(low) || above >= low)) low = above + step;
    if (!isnan(below) && (isnan(high) || below <= high)) high = below - step;
    *min = isnan(low) ? (isnan(high) ? 1 : fmin(1, high)) : low;
    *max = isnan(high) ? *min + 9 : high;
}

/* The number of a source of the prompt for the item of the array round it; or one that no source has. */
static sw_value citation_of(const generator *g, place at)
{
    const prompt *p = g->prompt;
    if (chance_unit(chance_mix(at.hash, 0x63697465)) < p->wrong_citations)
        return sw_int(p->sources[p->source_count - 1].number + 7 + (int64_t)at.index);
    return sw_int(p->sources[(at.outer + at.index) % p->source_count].number);
}

static sw_value integer_of(const generator *g, sw_value schema, place at)
{
    if (strcasecmp(at.array, "sources") == 0 && g->prompt->source_count > 0) return citation_of(g, at);
    double min, max, step = sw_as_double(sw_get(schema, "multipleOf"), 1);
    limits_of(schema, 1, &min, &max);
    if (step < 1 || step != floor(step)) step = 1;
    double low = ceil(min / step), high = floor(max / step);
    double chosen = high > low ? low + floor(chance_unit(at.hash) * (high - low + 1)) : low;
    return sw_int((int64_t)(chosen * step));
}

static sw_value number_of(sw_value schema, place at)
{
    double min, max, step = sw_as_double(sw_get(schema, "multipleOf"), 0);
    limits_of(schema, 1e-6, &min, &max);
    if (step > 0) return sw_double(ceil(min / step) * step);
    double chosen = min + chance_unit(at.hash) * (max - min);
    double rounded = round(chosen * 100) / 100;
    return sw_double(rounded >= min && rounded <= max ? rounded : chosen);
}

/* ---- Arrays and objects ---- */

static int64_t items_wanted(const generator *g, const char *name)
{
    int64_t breadth = g->prompt->breadth;
    if (strcasecmp(name, "queries") == 0) return breadth > 0 ? breadth : 3;
    if (is_follow_up(name) && g->prompt->follow_ups >= 0) return g->prompt->follow_ups;
    if (strcasecmp(name, "sources") == 0 || strcasecmp(name, "doubts") == 0) return 2;
    if (is_follow_up(name)) return breadth > 0 ? (breadth + 1) / 2 : 2;
    return strcasecmp(name, "options") == 0 ? 4 : 3;
}

static sw_value array_of(const generator *g, sw_value schema, place at)
{
    int64_t min = sw_as_int(sw_get(schema, "minItems"), 0), max = sw_as_int(sw_get(schema, "maxItems"), ITEMS_MAX);
    sw_value tuple = sw_get(schema, "prefixItems"), items = sw_get(schema, "items"), array = sw_array(g->c, 0);
    int64_t count = at.depth > DEPTH_OPTIONAL_MAX ? min : items_wanted(g, at.name);
    if (sw_len(tuple) > 0) count = (int64_t)sw_len(tuple);
    if (count < min) count = min;
    if (count > max) count = max;
    if (count > ITEMS_MAX) count = ITEMS_MAX;
    for (int64_t i = 0; i < count; i++) {
        size_t index = (size_t)i;
        place inner = {.name = at.name,
                       .array = at.name,
                       .index = index,
                       .outer = at.index,
                       .hash = chance_mix(at.hash, index),
                       .depth = at.depth + 1};
        sw_push(g->c, &array, value_of(g, index < sw_len(tuple) ? sw_at(tuple, index) : items, inner));
    }
    return array;
}

static sw_value property_of(const generator *g, sw_value schema, const char *name, place at)
{
    at.name = name;
    at.hash = chance_hash_text(at.hash, name);
    at.depth++;
    return value_of(g, schema, at);
}

static sw_value object_of(const generator *g, sw_value schema, place at)
{
    sw_value object = sw_map(g->c), properties = sw_get(schema, "properties"), required = sw_get(schema, "required");
    size_t count = sw_type(properties) == SW_MAP ? sw_len(properties) : 0;
    for (size_t i = 0; i < count; i++) {
        sw_value property;
        const char *name = sw_cstr(g->c, sw_key_at(properties, i, &property));
        if (at.depth > DEPTH_OPTIONAL_MAX && !schema_lists(g->c, required, name)) continue;
        sw_set(g->c, &object, name, property_of(g, property, name, at));
    }
    for (size_t i = 0; i < sw_len(required); i++) {
        const char *name = sw_cstr(g->c, sw_at(required, i));
        if (!name || !sw_is_nil(sw_get(properties, name))) continue;
        sw_set(g->c, &object, name, property_of(g, sw_get(schema, "additionalProperties"), name, at));
    }
    return object;
}

static sw_value value_of(const generator *g, sw_value given, place at)
{
    if (at.depth > DEPTH_MAX) return sw_nil();
    sw_value schema = schema_plain(g->c, g->root, given);
    sw_value constant;
    if (schema_constant(schema, at.hash, &constant)) return constant;
    switch (schema_type_of(g->c, schema)) {
    case SCHEMA_OBJECT:
        return object_of(g, schema, at);
    case SCHEMA_ARRAY:
        return array_of(g, schema, at);
    case SCHEMA_INTEGER:
        return integer_of(g, schema, at);
    case SCHEMA_NUMBER:
        return number_of(schema, at);
    case SCHEMA_BOOLEAN:
        return sw_bool((at.hash & 1) != 0);
    case SCHEMA_NULL:
        return sw_nil();
    case SCHEMA_STRING:
        return string_of(g, schema, at);
    }
    assert(false && "a type without a generator");
    return sw_nil();
}

sw_value generator_make(sw_ctx *c, sw_value schema, const prompt *p, uint64_t seed)
{
    assert(p && p->topic);
    generator g = {.c = c, .prompt = p, .root = schema, .seed = chance_hash_text(seed, p->query)};
    return value_of(&g, schema, (place){.name = "", .array = "", .hash = g.seed});
}

sw_value generator_make_wrong(sw_ctx *c, sw_value schema, sw_value right)
{
    const char *dropped = sw_cstr(c, sw_at(sw_get(schema_plain(c, schema, schema), "required"), 0));
    if (!dropped || sw_type(right) != SW_MAP)
        return sw_type(right) == SW_STRING ? sw_int(0) : sw_str(c, "not what the schema says");
    sw_value wrong = sw_map(c);
    for (size_t i = 0; i < sw_len(right); i++) {
        sw_value member;
        const char *name = sw_cstr(c, sw_key_at(right, i, &member));
        if (strcmp(name, dropped) != 0) sw_set(c, &wrong, name, member);
    }
    return wrong;
}
