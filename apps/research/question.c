#include "apps/research/question.h"

#include <stdlib.h>
#include <string.h>

#include "apps/research/list.h"
#include "apps/research/steps.h"

/* The parameters. `from`: requests of this kind, and of the kinds behind it, may have the parameter. */
static const struct {
    const char *name;
    question_kind from;
} parameters[] = {{"topic", ASKS_TOPIC},
                  {"depth", ASKS_PLAN},
                  {"breadth", ASKS_PLAN},
                  {"clarifications", ASKS_PLAN},
                  {"queries", ASKS_RESEARCH},
                  {"researchId", ASKS_RESEARCH},
                  {"injectFailure", ASKS_RESEARCH},
                  {"failureRate", ASKS_RESEARCH}};

enum { PARAMETERS = sizeof parameters / sizeof parameters[0] };

/* Records what is wrong with the request; the client is told the first of it. */
static void question_object(question *q, const char *wrong)
{
    if (!q->wrong) q->wrong = wrong;
}

/* ---- Where they come from ---- */

static const char *parameter_names(sw_ctx *c, question_kind kind)
{
    sw_text all = {0};
    for (size_t i = 0; i < PARAMETERS; i++)
        if (parameters[i].from <= kind) sw_text_add(c, &all, "%s%s", all.len ? ", " : "", parameters[i].name);
    return sw_text_str(&all);
}

static bool is_parameter(const char *name, question_kind kind)
{
    for (size_t i = 0; i < PARAMETERS; i++)
        if (strcmp(parameters[i].name, name) == 0) return parameters[i].from <= kind;
    return false;
}

static void question_read_body(sw_ctx *c, question *q, question_kind kind)
{
    sw_bytes body = sw_body(c);
    const char *message;
    if (strcmp(sw_method(c), "POST") != 0) return;
    if (!sw_json_try(c, body.data, body.len, &q->body, &message)) {
        question_object(q, sw_printf(c, "the body is not JSON: %s", message));
    } else if (sw_type(q->body) != SW_MAP) {
        question_object(q, "the body must be a JSON object of parameters");
    }
    for (size_t i = 0; !q->wrong && i < sw_len(q->body); i++) {
        const char *name = sw_cstr(c, sw_key_at(q->body, i, NULL));
        if (name && !is_parameter(name, kind))
            question_object(q, sw_printf(c, "\"%.40s\" is no parameter: %s", name, parameter_names(c, kind)));
    }
}

/* The parameter as the body has it, or its text in the query string; nil: it is not given. */
static sw_value parameter_given(sw_ctx *c, const question *q, const char *name)
{
    return sw_type(q->body) == SW_MAP ? sw_get(q->body, name) : sw_str(c, sw_query(c, name));
}

/* A parameter that is JSON: text of the query string is parsed, in a body it is a value already. */
static sw_value parameter_json(sw_ctx *c, question *q, const char *name)
{
    sw_value v = parameter_given(c, q, name), parsed;
    const char *message;
    if (sw_type(q->body) == SW_MAP) return v;
    if (sw_len(v) == 0) return sw_nil();
    if (sw_json_try(c, sw_cstr(c, v), sw_len(v), &parsed, &message)) return parsed;
    question_object(q, sw_printf(c, "%s is not JSON: %s", name, message));
    return sw_nil();
}

/* ---- Texts ---- */

/* The text's bytes, which may hold zeros; none if it is no text. */
static sw_bytes bytes_of(sw_ctx *c, sw_value words)
{
    const char *text = sw_cstr(c, words);
    return text ? (sw_bytes){text, sw_len(words)} : (sw_bytes){"", 0};
}

static bool begins_character(char byte) { return ((unsigned char)byte & 0xC0) != 0x80; }

static int64_t count_characters(sw_bytes words)
{
    int64_t n = 0;
    for (size_t i = 0; i < words.len; i++) n += begins_character(words.data[i]);
    return n;
}

sw_value question_cut(sw_ctx *c, sw_value words, int64_t most)
{
    sw_bytes text = bytes_of(c, words);
    size_t end = 0;
    for (int64_t n = 0; end < text.len; end++)
        if (begins_character(text.data[end]) && n++ == most) break;
    return end == text.len ? words : sw_strn(c, text.data, end);
}

/* Whether JSON would change nothing in the text: chunks and prompts take only UTF-8. */
static bool is_utf8(sw_ctx *c, sw_value words)
{
    sw_bytes json = sw_json(c, words);
    return sw_equal(sw_json_parse(c, json.data, json.len), words);
}

bool question_is_blank(sw_ctx *c, sw_value words)
{
    sw_bytes text = bytes_of(c, words);
    for (size_t i = 0; i < text.len; i++)
        if (!memchr(" \t\r\n", text.data[i], 4)) return false;
    return true;
}

/* NULL, or what is wrong with the text. */
static const char *text_wrong(sw_ctx *c, const char *name, sw_value words, int64_t most)
{
    if (sw_type(words) != SW_STRING) return sw_printf(c, "%s must be text", name);
    if (question_is_blank(c, words)) return sw_printf(c, "%s is empty", name);
    if (!is_utf8(c, words)) return sw_printf(c, "%s is not UTF-8", name);
    if (count_characters(bytes_of(c, words)) > most)
        return sw_printf(c, "%s is longer than %lld characters", name, (long long)most);
    return NULL;
}

static void question_read_topic(sw_ctx *c, question *q)
{
    q->topic = parameter_given(c, q, "topic");
    const char *wrong = text_wrong(c, "topic", q->topic, TOPIC_CHARACTERS_MAX);
    if (sw_is_nil(q->topic) || (sw_type(q->topic) == SW_STRING && question_is_blank(c, q->topic)))
        wrong = "topic is missing";
    if (wrong) question_object(q, wrong);
}

static void question_read_id(sw_ctx *c, question *q)
{
    q->research_id = parameter_given(c, q, "researchId");
    if (sw_is_nil(q->research_id) || (sw_type(q->research_id) == SW_STRING && sw_len(q->research_id) == 0)) {
        q->research_id = sw_str(c, sw_run_id(c));
        return;
    }
    const char *wrong = text_wrong(c, "researchId", q->research_id, ID_CHARACTERS_MAX);
    if (wrong) question_object(q, wrong);
}

/* ---- Numbers ---- */

static int64_t question_read_number(sw_ctx *c, question *q, const char *name, int64_t fallback, int64_t most)
{
    sw_value v = parameter_given(c, q, name);
    if (sw_is_nil(v)) return fallback;
    const char *digits = sw_cstr(c, v);
    char *end = NULL;
    int64_t n = digits ? strtoll(digits, &end, 10) : sw_as_int(v, 0);
    if (digits && (end == digits || *end)) n = 0;
    if (n >= 1 && n <= most) return n;
    question_object(q, sw_printf(c, "%s must be a whole number from 1 to %lld", name, (long long)most));
    return fallback;
}

static double question_read_share(sw_ctx *c, question *q, sw_value v)
{
    const char *digits = sw_cstr(c, v);
    char *end = NULL;
    double share = digits ? strtod(digits, &end) : sw_as_double(v, -1);
    if (digits && (end == digits || *end)) share = -1;
    if (!(share >= 0 && share <= 1)) question_object(q, "failureRate must be a number from 0 to 1");
    return share;
}

static void question_read_fault(sw_ctx *c, question *q)
{
    sw_value kind = parameter_given(c, q, "injectFailure"), rate = parameter_given(c, q, "failureRate");
    const char *name = sw_cstr(c, kind);
    if (sw_len(kind) == 0 && sw_is_nil(rate)) return;
    if (!sw_is_nil(kind) &&
        (!name || (*name && strcmp(name, "search") != 0 && strcmp(name, "learn") != 0 && strcmp(name, "report") != 0)))
        question_object(q, "injectFailure must be search, learn or report");
    double share = sw_is_nil(rate) ? 1 : question_read_share(c, q, rate);
    q->fault = sw_map(c, "kind", sw_str(c, name ? name : ""), "rate", sw_double(share));
}

/* ---- The plan ---- */

static void question_read_clarifications(sw_ctx *c, question *q)
{
    sw_value v = parameter_json(c, q, "clarifications");
    q->clarifications = sw_is_nil(v) ? sw_map(c) : v;
    if (sw_type(q->clarifications) != SW_MAP) {
        question_object(q, "clarifications must be a JSON object of question and answer");
        return;
    }
    if (count_characters(sw_json(c, q->clarifications)) > CLARIFICATIONS_CHARACTERS_MAX)
        question_object(q, sw_printf(c, "clarifications is longer than %d characters", CLARIFICATIONS_CHARACTERS_MAX));
}

static const char *const about_query[] = {"reasoning", "angle"};
enum { ABOUT_QUERY = sizeof about_query / sizeof about_query[0] };

/* Reads one query: a string, or an object with more about it. */
static void question_read_query(sw_ctx *c, question *q, sw_value item)
{
    sw_value words = sw_type(item) == SW_MAP ? sw_get(item, "query") : item;
    const char *wrong = text_wrong(c, "a query", words, QUERY_CHARACTERS_MAX);
    if (wrong) question_object(q, wrong);
    sw_value query = sw_map(c, "query", words);
    for (size_t i = 0; i < ABOUT_QUERY; i++) {
        sw_value more = sw_get(item, about_query[i]);
        if (!sw_is_nil(more) &&
            (sw_type(more) != SW_STRING || count_characters(bytes_of(c, more)) > TOPIC_CHARACTERS_MAX))
            question_object(q, sw_printf(c, "the %s of a query must be text of at most %d characters", about_query[i],
                                         TOPIC_CHARACTERS_MAX));
        sw_set(c, &query, about_query[i], sw_is_nil(more) ? sw_str(c, "") : more);
    }
    if (!list_has(q->queries, "query", words)) sw_push(c, &q->queries, query); /* each query is asked once */
}

sw_value question_usable_queries(sw_ctx *c, sw_value queries, int64_t most)
{
    sw_value usable = sw_array(c, 0);
    for (size_t i = 0; i < sw_len(queries) && (int64_t)sw_len(usable) < most; i++) {
        sw_value item = sw_at(queries, i), words = question_cut(c, sw_get(item, "query"), QUERY_CHARACTERS_MAX);
        if (question_is_blank(c, words) || list_has(usable, "query", words)) continue;
        sw_value query = sw_map(c, "query", words);
        for (size_t k = 0; k < ABOUT_QUERY; k++)
            sw_set(c, &query, about_query[k], question_cut(c, sw_get(item, about_query[k]), TOPIC_CHARACTERS_MAX));
        sw_push(c, &usable, query);
    }
    return usable;
}

static void question_read_queries(sw_ctx *c, question *q)
{
    sw_value v = parameter_json(c, q, "queries");
    if (sw_is_nil(v)) return;
    if (sw_type(v) != SW_ARRAY || sw_len(v) == 0 || sw_len(v) > BREADTH_MAX) {
        question_object(q, sw_printf(c, "queries must be a JSON array of 1 to %d queries", BREADTH_MAX));
        return;
    }
    q->queries = sw_array(c, 0);
    for (size_t i = 0; i < sw_len(v); i++) question_read_query(c, q, sw_at(v, i));
}

question question_of(sw_ctx *c, question_kind kind)
{
    question q = {.body = sw_nil(), .research_id = sw_nil(), .queries = sw_nil(), .fault = sw_nil()};
    question_read_body(c, &q, kind);
    if (q.wrong) return q;
    question_read_topic(c, &q);
    if (kind < ASKS_PLAN) return q;
    q.depth = question_read_number(c, &q, "depth", DEPTH_DEFAULT, DEPTH_MAX);
    question_read_clarifications(c, &q);
    if (kind == ASKS_RESEARCH) {
        question_read_queries(c, &q);
        question_read_id(c, &q);
        question_read_fault(c, &q);
    }
    int64_t breadth = sw_is_nil(q.queries) ? BREADTH_DEFAULT : (int64_t)sw_len(q.queries);
    q.breadth = question_read_number(c, &q, "breadth", breadth, BREADTH_MAX);
    return q;
}
