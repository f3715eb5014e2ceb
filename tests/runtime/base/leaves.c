/* The runtime's modules that keep nothing: what they make of good and of bad input. */
#include "runtime/base/arena.h"
#include "runtime/base/json.h"
#include "runtime/base/retry.h"
#include "runtime/base/utf8.h"
#include "runtime/clients/client_note.h"
#include "runtime/clients/prefer.h"
#include "runtime/clients/public_url.h"
#include "runtime/run/run_token.h"
#include "runtime/run/stop.h"
#include "tests/harness/check.h"

/* ---- Prefer ---- */

static prefer read_prefer(const char *one, const char *two)
{
    prefer p = PREFER_NOTHING;
    prefer_read(&p, one);
    prefer_read(&p, two);
    return p;
}

static void test_prefer(void)
{
    static const struct {
        const char *one, *two;
        bool async;
        int64_t wait_ms;
    } rows[] = {{"respond-async", "", true, -1},
                {"RESPOND-ASYNC , wait = 10", "", true, 10000},
                {"wait=1", "wait=2", false, 1000},
                {"", "wait=\"7\"; x", false, 7000},
                {"a=\"respond-async, wait=3\"", "", false, -1},
                {"a; respond-async", "", false, -1},
                {"respond-async-not, wait=-1, wait=1x", "wait=", false, -1},
                {"wait=0", "", false, 0},
                {"wait=99999999999999999999", "", false, PREFER_WAIT_MAX_S * 1000LL},
                {"a=\"\\\"\", respond-async", "", true, -1},
                {",,;,=,\"", "respond-async", true, -1},
                {"\"unended, respond-async", "", false, -1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        prefer p = read_prefer(rows[i].one, rows[i].two);
        printf("# %s | %s\n", rows[i].one, rows[i].two);
        CHECK_INT(p.respond_async, rows[i].async);
        CHECK_INT(p.wait_ms, rows[i].wait_ms);
    }
}

/* ---- Public URLs ---- */

static void expect_url(const char *list, const char *host, const char *url)
{
    char why[256], out[512];
    public_urls *u = public_urls_new(list, why, sizeof why);
    CHECK(u);
    CHECK(public_url(u, host, out, sizeof out));
    CHECK_STR(out, url);
    public_urls_free(u);
}

static void test_public_url(void)
{
    char why[256], out[32];
    expect_url(NULL, "a.example:8080", "http://a.example:8080");
    expect_url(NULL, "[::1]:80", "http://[::1]:80");
    expect_url(NULL, NULL, "");
    expect_url(NULL, "evil\"x", "");
    expect_url(NULL, "a/b", "");
    expect_url(NULL, "a@b", "");
    expect_url("https://x.example//", "evil.example", "https://x.example");
    expect_url("https://x.example/base, http://y.example:81", "Y.EXAMPLE:81", "http://y.example:81");
    expect_url("https://x.example/base, http://y.example:81", NULL, "https://x.example/base");
    static const char *const wrong[] = {"x.example",
                                        "https://",
                                        "https:///",
                                        "https://a b",
                                        "https://a?b",
                                        "https://u@h",
                                        "https://a,,https://b",
                                        "javascript://x",
                                        "https:///base",
                                        "http://:8080"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CHECK(!public_urls_new(wrong[i], why, sizeof why));
        CHECK(strstr(why, "--public-url"));
    }
    public_urls *u = public_urls_new(NULL, why, sizeof why);
    CHECK(!public_url(u, "a-host-that-is-longer-than-the-room.example", out, sizeof out));
    public_urls_free(u);
}

/* ---- Tokens ---- */

static void test_token(void)
{
    run_token_key key, other;
    run_token_key_derive(&key, "a secret of some length", 23);
    run_token_key_derive(&other, "another secret, as long", 23);
    const uint8_t random[10] = {1, 2, 3};
    run_id id = run_id_make(1700000000000, random, 0, 1), foreign = run_id_make(1700000000001, random, 0, 1);
    char text[RUN_TOKEN_TEXT_MAX], changed[RUN_TOKEN_TEXT_MAX + 8];
    const int64_t until_ms = 1800000000000;
    run_token_make(&key, &id, RUN_TOKEN_CONTROL, until_ms, text);
    size_t len = strlen(text);
    CHECK_INT(run_token_check(&key, &id, until_ms, text, len), RUN_TOKEN_OK);
    CHECK_INT(run_token_check(&key, &id, until_ms + 1000, text, len), RUN_TOKEN_EXPIRED);
    CHECK_INT(run_token_check(&key, &foreign, 0, text, len), RUN_TOKEN_WRONG);
    CHECK_INT(run_token_check(&other, &id, 0, text, len), RUN_TOKEN_WRONG);
    for (size_t i = 0; i < len; i++) {
        memcpy(changed, text, len + 1);
        changed[i] = changed[i] == '9' ? '8' : '9';
        CHECK(run_token_check(&key, &id, 0, changed, len) != RUN_TOKEN_OK);
        CHECK(run_token_check(&key, &id, 0, text, i) != RUN_TOKEN_OK);
    }
    (void)snprintf(changed, sizeof changed, "%s=", text);
    CHECK_INT(run_token_check(&key, &id, 0, changed, len + 1), RUN_TOKEN_MALFORMED);
    (void)snprintf(changed, sizeof changed, "0%s", text);
    CHECK_INT(run_token_check(&key, &id, 0, changed, len + 1), RUN_TOKEN_MALFORMED);
}

/* Each scope has tokens of its own: none becomes another's by a letter. */
static void test_token_scopes(void)
{
    run_token_key key;
    run_token_key_derive(&key, "a secret of some length", 23);
    const uint8_t random[10] = {1, 2, 3};
    run_id id = run_id_make(1700000000000, random, 0, 1);
    char control[RUN_TOKEN_TEXT_MAX], read[RUN_TOKEN_TEXT_MAX], changed[RUN_TOKEN_TEXT_MAX + 8];
    run_token_make(&key, &id, RUN_TOKEN_CONTROL, 1800000000000, control);
    run_token_make(&key, &id, RUN_TOKEN_READ, 1800000000000, read);
    CHECK_STR(control, "1800000000.CuVmGkFupmU_OY7hfaIGeYaiTgD8NIfYZqvRh4iicy8"); /* as version 0.1 made it */
    CHECK_INT(run_token_scope_of(control, strlen(control)), RUN_TOKEN_CONTROL);
    CHECK_INT(run_token_scope_of(read, strlen(read)), RUN_TOKEN_READ);
    CHECK_INT(run_token_scope_of("", 0), RUN_TOKEN_CONTROL);
    CHECK_INT(run_token_check(&key, &id, 0, read, strlen(read)), RUN_TOKEN_OK);
    CHECK_INT(run_token_check(&key, &id, 0, read + 1, strlen(read) - 1), RUN_TOKEN_WRONG);
    (void)snprintf(changed, sizeof changed, "r%s", control);
    CHECK_INT(run_token_check(&key, &id, 0, changed, strlen(changed)), RUN_TOKEN_WRONG);
    (void)snprintf(changed, sizeof changed, "c%s", control);
    CHECK_INT(run_token_check(&key, &id, 0, changed, strlen(changed)), RUN_TOKEN_MALFORMED);
    (void)snprintf(changed, sizeof changed, "s%s", control);
    CHECK_INT(run_token_check(&key, &id, 0, changed, strlen(changed)), RUN_TOKEN_RESERVED);
    CHECK(run_token_is_formed(control, strlen(control)) && run_token_is_formed(read, strlen(read)));
    CHECK(!run_token_is_formed("rr1.", 4) && !run_token_is_formed("r", 1) &&
          !run_token_is_formed("an admin's token", 16));
}

/* ---- Retries ---- */

enum { DAY_MS = 86400000 };

static void test_retry(void)
{
    for (uint64_t bits = 0; bits < 50; bits++) {
        uint64_t random = bits * 0x9e3779b97f4a7c15ULL;
        int64_t first = retry_backoff_ms(1, 100, 1000, random), fourth = retry_backoff_ms(4, 100, 1000, random);
        CHECK(first >= 50 && first <= 100);
        CHECK(fourth >= 400 && fourth <= 800);
        CHECK(retry_backoff_ms(60, 100, 1000, random) <= 1000);
        int64_t asked = retry_asked_ms(5000, random);
        CHECK(asked >= 5000 && asked <= 5500);
        CHECK(retry_asked_ms(INT64_MAX, random) <= DAY_MS + DAY_MS / 10);
        CHECK_INT(retry_asked_ms(0, random), 0);
    }
    const int64_t now_ms = 784111777000; /* Sun, 06 Nov 1994 08:49:37 GMT */
    CHECK_INT(retry_after_ms(NULL, NULL, now_ms), -1);
    CHECK_INT(retry_after_ms("250", "9", now_ms), 250);
    CHECK_INT(retry_after_ms(NULL, "9", now_ms), 9000);
    CHECK_INT(retry_after_ms(NULL, "Sun, 06 Nov 1994 08:49:47 GMT", now_ms), 10000);
    CHECK_INT(retry_after_ms(NULL, "soon", now_ms), -1);
    CHECK_INT(retry_after_ms(NULL, "Sun, 06 Nov 1994 08:49:27 GMT", now_ms), 0);
    CHECK_INT(retry_after_ms(NULL, "Fri, 31 Dec 9999 23:59:59 GMT", now_ms), DAY_MS);
    CHECK_INT(retry_after_ms("1.5", NULL, now_ms), 2);
    CHECK_INT(retry_after_ms("soon", "9", now_ms), 9000);
    CHECK_INT(retry_after_ms("", "", now_ms), -1);
    static const char *const garbage[] = {"-5", "0x10", "1e9", "1.2.3", ".", "nan", "inf", "5 s"};
    for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
        CHECK_INT(retry_after_ms(garbage[i], NULL, now_ms), -1);
        CHECK_INT(retry_after_ms(NULL, garbage[i], now_ms), -1);
    }
    char huge[500];
    memset(huge, '9', sizeof huge - 1);
    huge[sizeof huge - 1] = 0;
    CHECK_INT(retry_after_ms(huge, NULL, now_ms), DAY_MS);
    CHECK_INT(retry_after_ms(NULL, huge, now_ms), DAY_MS);
}

/* ---- JSON ---- */

/* A map in a map's key in a map's key ... would double its quotes each time. */
static void test_json_keys(void)
{
    arena a;
    arena_init(&a, NULL);
    arena_set_limit(&a, 1 << 20);
    sw_value v = {.type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = 7};
    msgpack_object_kv pairs[100];
    for (int i = 0; i < 100; i++) {
        pairs[i] = (msgpack_object_kv){.key = v, .val = {.type = MSGPACK_OBJECT_NIL}};
        v = (sw_value){.type = MSGPACK_OBJECT_MAP, .via.map = {.size = 1, .ptr = &pairs[i]}};
    }
    sw_bytes text;
    CHECK(json_write(&a, v, &text));
    CHECK_STR(text.data, "{\"{}\":null}");
    v = (sw_value){.type = MSGPACK_OBJECT_MAP, .via.map = {.size = 1, .ptr = &pairs[0]}};
    CHECK(json_write(&a, v, &text));
    CHECK_STR(text.data, "{\"7\":null}");
    arena_free(&a);
}

/* ---- What a worker leaves to the next ---- */

static void put_all(msgpack_sbuffer *to, const msgpack_sbuffer *first, const msgpack_sbuffer *second)
{
    uint32_t len = (uint32_t)first->size;
    msgpack_sbuffer_clear(to);
    CHECK(!msgpack_sbuffer_write(to, (const char *)&len, sizeof len));
    CHECK(!msgpack_sbuffer_write(to, first->data, first->size));
    if (second) CHECK(!msgpack_sbuffer_write(to, second->data, second->size));
}

static void test_kept(void)
{
    arena a;
    msgpack_sbuffer client, reply, all;
    const kept_client given = {.run = {{1, 2, 3}},
                               .wish = {WAITER_STREAM, .after = 7, .wait_ms = 5, .since_ms = 1 << 30, .begun = true},
                               .position = 1ULL << 40,
                               .request = {"GET", 3},
                               .unsent = {"a\0b", 3}};
    const http_kept_reply head = {{"HTTP", 4}, .body_follows = true};
    kept_client read;
    arena_init(&a, NULL);
    msgpack_sbuffer_init(&client);
    msgpack_sbuffer_init(&reply);
    msgpack_sbuffer_init(&all);
    CHECK(client_note_write(&client, &given) && client_note_write_reply(&reply, &head));
    put_all(&all, &client, NULL);
    CHECK(client_note_read(&a, all.data, all.size, &read) && !read.replying);
    CHECK(memcmp(&read.run, &given.run, sizeof read.run) == 0 && read.wish.kind == WAITER_STREAM && read.wish.begun);
    CHECK_INT(read.wish.after, 7);
    CHECK_INT(read.wish.since_ms, 1 << 30);
    CHECK(read.position == 1ULL << 40 && read.unsent.len == 3 && memcmp(read.unsent.data, "a\0b", 3) == 0);
    put_all(&all, &client, &reply);
    CHECK(client_note_read(&a, all.data, all.size, &read) && read.replying && read.reply.body_follows &&
          !read.reply.is_persistent && read.reply.data.len == 4);
    /* cut anywhere, or changed in any byte: refused or read, never past its end */
    for (size_t len = 0; len < all.size; len++)
        if (len != sizeof(uint32_t) + client.size) CHECK(!client_note_read(&a, all.data, len, &read));
    for (size_t i = 0; i < all.size; i++) {
        char was = all.data[i];
        for (int bit = 0; bit < 8; bit++) {
            all.data[i] = (char)(was ^ 1 << bit);
            (void)client_note_read(&a, all.data, all.size, &read);
        }
        all.data[i] = was;
    }
    client.data[1] = 2; /* another version */
    put_all(&all, &client, NULL);
    CHECK(!client_note_read(&a, all.data, all.size, &read));
    arena_free(&a);
    msgpack_sbuffer_destroy(&client);
    msgpack_sbuffer_destroy(&reply);
    msgpack_sbuffer_destroy(&all);
}

/* Long texts are cut between characters. */
static void test_cut(void)
{
    static const char *const characters[] = {"x", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x8e\xb2"};
    char text[2 * STOP_DETAIL_BYTES];
    for (size_t n = 1; n <= 4; n++)
        for (size_t before = 0; before < n; before++) {
            size_t len = before;
            memset(text, '-', before);
            for (; len + n <= sizeof text; len += n) memcpy(text + len, characters[n - 1], n);
            stop_cause why = {.reason = STOP_EXHAUSTED};
            stop_describe(&why, text, len);
            size_t kept = strlen(why.detail) - strlen("...");
            CHECK_STR(why.detail + kept, "...");
            CHECK(kept + 3 < STOP_DETAIL_BYTES && kept + 3 + n >= STOP_DETAIL_BYTES);
            CHECK((kept - before) % n == 0 && memcmp(why.detail, text, kept) == 0);
            stop_describe(&why, text, STOP_DETAIL_BYTES - 1);
            CHECK_INT(strlen(why.detail), STOP_DETAIL_BYTES - 1); /* it has room as it is */
        }
    CHECK_INT(utf8_whole("", 0), 0);
    CHECK_INT(utf8_whole("\x82\x82\x82\x82\x82", 5), 5); /* no text: nothing to keep whole */
    CHECK_INT(utf8_whole("a\xf0", 2), 1);
}

static const check_case cases[] = {{"Prefer", test_prefer},   {"public URLs", test_public_url},
                                   {"tokens", test_token},    {"scopes of tokens", test_token_scopes},
                                   {"retries", test_retry},   {"what a worker leaves to the next", test_kept},
                                   {"what is cut", test_cut}, {"keys in JSON that are no strings", test_json_keys}};

int main(int argc, char **argv) { return check_run(cases, sizeof cases / sizeof cases[0], argc, argv); }
