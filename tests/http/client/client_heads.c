/* Heads that are odd, contradict themselves or are too large: kept as they are meant, or refused for good. */
#include "tests/harness/wire.h"

static const char *says; /* the whole response; set while no call runs */
static size_t says_len;

static bool answer(int fd, const wire_request *r)
{
    (void)r;
    wire_say(fd, says, says_len);
    return false;
}

static http_call *ask(const char *text, size_t len, const char *method)
{
    says = text;
    says_len = len;
    return wire_start(&(http_call_options){.url = wire_url("/x"), .method = method});
}

static void test_odd_heads(void)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nX-Folded: one\r\n \t two\r\n\tthree\r\nX-Empty:\r\n  late\r\n"
                               "Content-Length: 2, 2\r\nContent-Length: 2\r\nX-Last:last\r\n\r\nok";
    static const char *const lines[] = {"X-Folded: one two three", "X-Empty: late", "Content-Length: 2, 2",
                                        "Content-Length: 2", "X-Last:last"};
    size_t len;
    wire_begin(answer, &(http_client_options){.calls_max = 0});
    http_call *call = ask(text, sizeof text - 1, "POST");
    wire_expect(call, 200);
    const char *const *h = http_call_headers(call);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) CHECK_STR(h[i], lines[i]);
    CHECK(!h[5]);
    CHECK_STR(http_call_data(call, &len), "ok");
    wire_close(call);
    wire_end();
}

/* After a call whose head had headers: with one handle for both, curl looks for what the line continues among those. */
static void test_folded_first(void)
{
    static const char plain[] = "HTTP/1.1 200 OK\r\nX-One: a\r\nX-Two: b\r\nContent-Length: 2\r\n\r\nok";
    static const char folded[] = "HTTP/1.1 200 OK\r\n folded: x\r\nContent-Length: 2\r\n\r\nok";
    wire_begin(answer, &(http_client_options){.calls_max = 0});
    for (int i = 0; i < 3; i++) {
        http_call *call = ask(plain, sizeof plain - 1, "POST");
        wire_expect(call, 200);
        wire_close(call);
        call = ask(folded, sizeof folded - 1, "POST");
        wire_expect(call, 0);
        wire_close(call);
    }
    wire_end();
}

static void refused(const char *text, size_t len, http_call_error_kind kind, const char *why)
{
    static const char *const methods[] = {"GET", "POST"};
    for (size_t m = 0; m < 2; m++) {
        http_call *call = ask(text, len, methods[m]);
        wire_expect(call, 0);
        const char *said = http_call_error_text(call);
        if (http_call_error(call) != kind || !strstr(said, why)) printf("# %d %s\n", http_call_error(call), said);
        CHECK_INT(http_call_error(call), kind);
        CHECK(strstr(said, "http://127.0.0.1:") && strstr(said, why));
        wire_close(call);
    }
}

static void test_contradictions(void)
{
    static const struct {
        const char *headers, *why;
    } heads[] = {{"Content-Length: 2\r\nContent-Length: 20\r\n", "two different Content-Lengths"},
                 {"Content-Length: 2, 20\r\n", "Content-Length"},
                 {"Content-Length: 2x\r\n", "Content-Length"},
                 {"Content-Length: +2\r\n", "Content-Length"},
                 {": nameless\r\nContent-Length: 2\r\n", "eader"},
                 {"no colon\r\nContent-Length: 2\r\n", "eader"},
                 {"Content-Length: 2\r\nContent-Encoding: unheard-of\r\n", "ncoding"}};
    char text[256];
    wire_begin(answer, &(http_client_options){.calls_max = 0});
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        int len = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\n%s\r\nok", heads[i].headers);
        refused(text, (size_t)len, HTTP_CALL_UNREADABLE, heads[i].why);
    }
    wire_end();
}

static void test_large_heads(void)
{
    enum { LINE = 200000, LINES = 400, EACH = 1000 };
    static char text[LINES * (EACH + 2) + 100];
    wire_begin(answer, &(http_client_options){.calls_max = 0});
    int at = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nX-Long: ");
    memset(text + at, 'x', LINE);
    memcpy(text + at + LINE, "\r\n\r\n", 4);
    refused(text, (size_t)at + LINE + 4, HTTP_CALL_TOO_LARGE, "head is larger than 100 kB");
    at = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < LINES; i++) {
        memset(text + at, 'x', EACH);
        memcpy(text + at, "X-Many: ", 8);
        memcpy(text + at + EACH, "\r\n", 2);
        at += EACH + 2;
    }
    memcpy(text + at, "\r\n", 2);
    refused(text, (size_t)at + 2, HTTP_CALL_TOO_LARGE, "head is larger than 256 KiB");
    wire_end();
}

static size_t encoded(char *text, size_t size, const char *encoding, const char *body, size_t body_len)
{
    int n = snprintf(text, size,
                     "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Encoding: %s\r\nContent-Length: %zu\r\n\r\n",
                     encoding, body_len);
    CHECK(n > 0 && (size_t)n + body_len <= size);
    memcpy(text + n, body, body_len);
    return (size_t)n + body_len;
}

/* A body that ends before its encoding has given out a byte is no empty one; one that stands for nothing is. */
static void test_cut_encodings(void)
{
#define BYTES(text) text, sizeof text - 1
    static const struct {
        const char *encoding, *body;
        size_t len;
    } cut[] = {{"br", BYTES("\x1b\xdb\x02\x00\xc4\xd6\x66\xaa\x1c\xd9\x20\xf0\x00\xda\xe2\x6e\x06\xcb\x8a\x6b")},
               {"gzip", BYTES("\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03")},
               {"deflate", BYTES("\x78")}},
      empty[] = {{"br", BYTES("\x06")},
                 {"gzip", BYTES("\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00")},
                 {"deflate", BYTES("\x78\x9c\x03\x00\x00\x00\x00\x01")},
                 {"gzip", BYTES("")}};
    char text[512];
    wire_begin(answer, &(http_client_options){.calls_max = 0});
    for (size_t i = 0; i < sizeof cut / sizeof cut[0]; i++) {
        size_t len = encoded(text, sizeof text, cut[i].encoding, cut[i].body, cut[i].len);
        refused(text, len, HTTP_CALL_BROKEN, "ends inside its encoding");
    }
    for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++) {
        size_t len = encoded(text, sizeof text, empty[i].encoding, empty[i].body, empty[i].len);
        wire_finish(ask(text, len, "GET"), 200);
    }
    wire_end();
}

static const check_case cases[] = {{"folded lines and repeated lengths", test_odd_heads},
                                   {"a folded line that begins a head", test_folded_first},
                                   {"heads that contradict themselves", test_contradictions},
                                   {"heads that are too large", test_large_heads},
                                   {"bodies that end inside their encoding", test_cut_encodings}};
CHECK_MAIN(cases)
