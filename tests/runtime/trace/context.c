/* What is taken of a request's trace headers: the grammar's own words, and nothing beside them; and which hosts a list
 * names. */
#include "runtime/trace/trace_context.h"
#include "runtime/trace/trace_hosts.h"
#include "runtime/trace/trace_ids.h"
#include "tests/harness/check.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN  "00f067aa0ba902b7"

static bool reads(const char *text)
{
    trace_parent p;
    return trace_parent_read(text, strlen(text), &p);
}

static void test_parent(void)
{
    static const char good[] = "00-" TRACE "-" SPAN "-01";
    trace_parent p;
    char text[TRACE_PARENT_TEXT + 1];
    CHECK(trace_parent_read(good, strlen(good), &p));
    CHECK(p.trace[0] == 0x4b && p.trace[15] == 0x36);
    CHECK(p.span == 0x00f067aa0ba902b7 && p.flags == 1);
    trace_parent_write(&p, text);
    CHECK_STR(text, good);
    for (size_t i = 0; i < strlen(good); i++) { /* no byte may be anything else */
        char changed[sizeof good];
        for (int with = 0; with < 256; with++) {
            memcpy(changed, good, sizeof good);
            changed[i] = (char)with;
            bool digit = (with >= '0' && with <= '9') || (with >= 'a' && with <= 'f');
            bool is_dash = good[i] == '-';
            bool version = i < 2; /* another one may be as long, and means the same; but for "ff" */
            CHECK(trace_parent_read(changed, strlen(good), &p) == (is_dash ? with == '-' : digit) || version);
        }
        CHECK(!trace_parent_read(good, i, &p));
    }
}

static void test_refused_parents(void)
{
    CHECK(!reads("ff-" TRACE "-" SPAN "-01"));
    CHECK(!reads("00-00000000000000000000000000000000-" SPAN "-01"));
    CHECK(!reads("00-" TRACE "-0000000000000000-01"));
    CHECK(!reads("00-" TRACE "-" SPAN "-01-"));
    CHECK(!reads("00-" TRACE "-" SPAN "-01-what-comes"));
    CHECK(reads("01-" TRACE "-" SPAN "-01"));
    CHECK(reads("01-" TRACE "-" SPAN "-01-what-comes"));
    CHECK(!reads("01-" TRACE "-" SPAN "-01what-comes"));
    CHECK(!reads("00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN "-01"));
    CHECK(!reads(" 00-" TRACE "-" SPAN "-01"));
    CHECK(!reads(""));
}

static const char *state_of(trace_state *s, const char *first, const char *second)
{
    *s = (trace_state){.len = 0};
    (void)trace_state_add(s, first, strlen(first));
    if (second) (void)trace_state_add(s, second, strlen(second));
    return s->text;
}

static void test_state(void)
{
    trace_state s;
    CHECK_STR(state_of(&s, "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7", NULL), "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7");
    CHECK_STR(state_of(&s, " a=1 ,\t, b=2 3", "c@d=4"), "a=1,b=2 3,c@d=4");
    CHECK_STR(state_of(&s, "", ""), "");
    CHECK(!s.is_bad);
    static const char *const bad[] = {"a",     "=1",     "a=",   "A=1",      "a=1,a=2",    "a=1;b=2,c=d=e",
                                      "a b=1", "a=\x7f", "_a=1", "a=1,\x01", "a=\xc3\xa9", "a ,b=1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_STR(state_of(&s, bad[i], "z=1"), "");
        CHECK(s.is_bad);
    }
    CHECK_STR(state_of(&s, "a=1", "a=2"), ""); /* twice, in two headers */
}

/* What is too long loses its last members, and long ones first. */
static void test_long_state(void)
{
    trace_state s = {.len = 0};
    char member[400], expected[TRACE_STATE_MAX + 64] = "";
    for (int i = 0; i < 32; i++) {
        int n = snprintf(member, sizeof member, "k%02d=%0*d", i, i == 1 ? 200 : 20, i);
        CHECK(trace_state_add(&s, member, (size_t)n));
        size_t len = strlen(expected);
        if (len + 1 + (size_t)n <= TRACE_STATE_MAX)
            (void)snprintf(expected + len, sizeof expected - len, "%s%s", len ? "," : "", member);
    }
    CHECK_STR(s.text, expected);
    CHECK(!trace_state_add(&s, "one=more", 8)); /* than 32 */
    CHECK_STR(s.text, "");
    s = (trace_state){.len = 0};
    memset(member, 'v', sizeof member);
    memcpy(member, "a=", 2);
    CHECK(!trace_state_add(&s, member, 2 + 257)); /* a value of 257 bytes */
}

static bool baggage(const char *text)
{
    unsigned members = 0;
    return trace_baggage_is_good(text, strlen(text), &members);
}

static void test_baggage(void)
{
    CHECK(baggage("userId=alice,serverNode=DF%2028,isProduction=false"));
    CHECK(baggage("key1=value1;property1;property2, key2 = value2, key3=value3; propertyKey=propertyValue"));
    CHECK(baggage("a="));
    CHECK(!baggage("a"));
    CHECK(!baggage("=a"));
    CHECK(!baggage("a=b,,c=d"));
    CHECK(!baggage("a=b;"));
    CHECK(!baggage("a=\"b\""));
    CHECK(!baggage("a=b c"));
    CHECK(!baggage("a\xc3\xa9=b"));
    CHECK(!baggage("a=b,c"));
    unsigned members = TRACE_BAGGAGE_MEMBERS_MAX - 1;
    CHECK(trace_baggage_is_good("a=b", 3, &members));
    CHECK(!trace_baggage_is_good("a=b", 3, &members));
}

static bool has(const char *list, const char *host) { return trace_hosts_have(list, host, strlen(host)); }

static void test_hosts(void)
{
    CHECK(!has(NULL, "a.example"));
    CHECK(!has("", "a.example"));
    CHECK(!has(",", ""));
    CHECK(has("a.example", "A.example:8080"));
    CHECK(has("b.example, a.example ,c", "a.example"));
    CHECK(!has("a.example", "b.a.example"));
    CHECK(!has("a.example", "a.example.evil"));
    CHECK(has("*.a.example", "b.a.example:1"));
    CHECK(!has("*.a.example", "a.example"));
    CHECK(!has("*.a.example", "ba.example"));
    CHECK(has("*", "anything"));
    CHECK(has("[::1]", "[::1]:80"));
    CHECK(!has("[::1]", "[::2]:80"));
}

/* The id of a run's trace is told to others: it stays as it is. */
static void test_ids(void)
{
    uint8_t run[16], id[TRACE_ID_BYTES];
    char text[TRACE_ID_TEXT + 1];
    for (int i = 0; i < 16; i++) run[i] = (uint8_t)i;
    trace_id_of_run(run, id);
    trace_id_write(id, text);
    CHECK_STR(text, "be45cb2605bf36bebde684841a28f0fd"); /* echo 000102..0f | xxd -r -p | sha256sum */
    trace_place place = {.path = 1};
    uint64_t ids[6] = {trace_span_id(run, &place)};
    place.attempt = 1;
    ids[1] = trace_span_id(run, &place);
    place.epoch = 1;
    ids[2] = trace_span_id(run, &place);
    place.call = 1;
    ids[3] = trace_span_id(run, &place);
    place.generation = 1;
    ids[4] = trace_span_id(run, &place);
    run[0] ^= 1; /* another request of the same trace */
    ids[5] = trace_span_id(run, &place);
    for (int i = 0; i < 6; i++)
        for (int k = 0; k < i; k++) CHECK(ids[i] != ids[k] && ids[i] != 0);
    CHECK(trace_span_id(run, &place) == ids[5]);
}

static const check_case cases[] = {
    {"a traceparent", test_parent},
    {"what is no traceparent", test_refused_parents},
    {"tracestate", test_state},
    {"a long tracestate", test_long_state},
    {"baggage", test_baggage},
    {"hosts that are told", test_hosts},
    {"ids of traces and spans", test_ids},
};

int main(int argc, char **argv) { return check_run(cases, sizeof cases / sizeof *cases, argc, argv); }
