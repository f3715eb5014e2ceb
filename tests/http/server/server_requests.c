/* What the server takes, refuses and answers, one request at a time and many in a row. */
#include "tests/harness/http_harness.h"

static void hello(void)
{
    test_start(NULL);
    int fd = test_connect();
    for (int i = 0; i < 3; i++) {
        test_say(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
        test_answer a = test_read(fd);
        CHECK_INT(a.status, 200);
        CHECK_STR(a.body, "hello");
        CHECK_STR(test_find(&a, "Content-Length"), "5");
        CHECK_STR(test_find(&a, "Content-Type"), "text/plain");
        CHECK_INT(strlen(test_find(&a, "Date")), 29);
        CHECK(!test_find(&a, "Connection"));
        free(a.body);
    }
    CHECK_INT(test_connections(), 1);
    close(fd);
    TEST_AWAIT(test_connections() == 0);
    test_stop();
}

static void info(void)
{
    static const struct {
        const char *request, *answer;
    } cases[] = {
        {"GET /a HTTP/1.1\r\nHost: x\r\n\r\n", "GET|/a|/a||x|1|127.0.0.1|1|"},
        {"GET /a?b=c&d HTTP/1.1\r\nHost: x:80\r\n\r\n", "GET|/a?b=c&d|/a|b=c&d|x:80|1|127.0.0.1|1|"},
        {"GET /? HTTP/1.1\r\nHost:x\r\n\r\n", "GET|/?|/||x|1|127.0.0.1|1|"},
        {"GET http://h/p/q?r HTTP/1.1\r\nHost: x\r\n\r\n", "GET|/p/q?r|/p/q|r|h|1|127.0.0.1|1|"},
        {"GET http://h HTTP/1.1\r\nHost: x\r\n\r\n", "GET|/|/||h|1|127.0.0.1|1|"},
        {"GET http://h?r=1 HTTP/1.1\r\nHost: x\r\n\r\n", "GET|/?r=1|/|r=1|h|1|127.0.0.1|1|"},
        {"GET http://h? HTTP/1.1\r\nHost: x\r\n\r\n", "GET|/?|/||h|1|127.0.0.1|1|"},
        {"GET HTTPS://h?q HTTP/1.1\r\nHost: x\r\n\r\n", "GET|/?q|/|q|h|1|127.0.0.1|1|"},
        {"GET http://h:8/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "GET|/|/||-|1|127.0.0.1|1|"},
        {"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "GET|/|/||[::1]:80|1|127.0.0.1|1|"},
        {"GET / HTTP/1.1\r\nHost: a_b-c.d%20e:\r\n\r\n", "GET|/|/||a_b-c.d%20e:|1|127.0.0.1|1|"},
        {"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "OPTIONS|*|*||x|1|127.0.0.1|1|"},
        {"PUT /%41 HTTP/1.1\r\nHost: \t x \t\r\nContent-Length: 3\r\n\r\nabc", "PUT|/%41|/%41||x|2|127.0.0.1|1|abc"},
        {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;e=\"f\"\r\nde\r\n0\r\nT: "
         "u\r\n\r\n",
         "POST|/|/||x|2|127.0.0.1|1|abcde"},
        {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "POST|/|/||x|2|127.0.0.1|1|"},
        {"GET / HTTP/1.1\r\nHost:\r\nE:\r\nF: \r\n\r\n", "GET|/|/|||3|127.0.0.1|1|"},
        {"\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET|/|/||x|1|127.0.0.1|1|"},
        {"GET /up HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
         "GET|/up|/up||x|3|127.0.0.1|1|"},
        {"GET /0 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "GET|/0|/0||-|1|127.0.0.1|1|"},
    };
    test_start(NULL);
    int fd = test_connect();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        test_say(fd, cases[i].request);
        test_expect(fd, 200, cases[i].answer);
    }
    /* again, a byte at a time */
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (const char *at = cases[i].request; *at; at++) test_send(fd, at, 1);
        test_expect(fd, 200, cases[i].answer);
    }
    /* and all at once */
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) test_say(fd, cases[i].request);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) test_expect(fd, 200, cases[i].answer);
    close(fd);
    test_stop();
}

static const struct {
    int status;
    const char *request;
} refused[] = {
    {400, "\x16\x03\x01\x02\x01\x01\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a#b\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a%4\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a\x80\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a:x\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a:80:80\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: :80\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: ::1\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: [1.2.3.4]\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: [0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0]\r\n\r\n"},
    {400, "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n"},
    {400, "GET http://a:b/ HTTP/1.1\r\nHost: a\r\n\r\n"},
    {400, "GET http:///b HTTP/1.1\r\nHost: a\r\n\r\n"},
    {400, "GET http://a/ HTTP/1.1\r\nHost: a b\r\n\r\n"},
    {400, "GET / HTTP/1.1\nHost: a\n\n"},
    {400, "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a\r\n\rX: y\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a\r\nX:\r\n z\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n Host: a\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost : a\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a\r\nX y: z\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a\r\n: z\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n"},
    {400, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"},
    {400, "GET /  HTTP/1.1\r\nHost: a\r\n\r\n"},
    {400, "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"},
    {400, "GET /\x80 HTTP/1.1\r\nHost: a\r\n\r\n"},
    {400, "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"},
    {400, "GET a HTTP/1.1\r\nHost: a\r\n\r\n"},
    {400, "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"},
    {400, "GET * HTTP/1.1\r\nHost: a\r\n\r\n"},
    {400, "GET / HTTX/1.1\r\nHost: a\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 2\r\n\r\nab"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\na"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\na"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n"},
    {400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\n0\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nabc\r\n0\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1000000000000000\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n x: y\r\n\r\n"},
    {413, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\n"},
    {413, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8388609\r\n\r\n"},
    {413, "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 8388609\r\n\r\n"},
    {417, "POST / HTTP/1.1\r\nHost: a\r\nExpect: wonders\r\nContent-Length: 1\r\n\r\n"},
    {501, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n"},
    {501, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"},
    {501, "BREW / HTTP/1.1\r\nHost: a\r\n\r\n"},
    {501, "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n"},
    {505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n"},
    {505, "GET / HTTP/0.9\r\nHost: a\r\n\r\n"},
    {505, "GET / HTTP/3.1\r\nHost: a\r\n\r\n"},
    {505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
};

/* Each is refused with its status as a problem, and its connection ends. */
static void refusals(void)
{
    test_start(NULL);
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        char type[64];
        int fd = test_connect();
        test_say(fd, refused[i].request);
        test_answer a = test_read(fd);
        if (a.status != refused[i].status) printf("# case %zu: %s\n", i, refused[i].request);
        CHECK_INT(a.status, refused[i].status);
        CHECK_STR(test_find(&a, "Content-Type"), "application/problem+json");
        CHECK_STR(test_find(&a, "Connection"), "close");
        snprintf(type, sizeof(type), "\"status\":%d,", refused[i].status);
        CHECK(strstr(a.body, "{\"type\":\"about:blank\",\"title\":\"") && strstr(a.body, type));
        free(a.body);
        test_expect_end(fd);
    }
    CHECK_INT(atomic_load(&test->requests), 0);
    test_stop();
}

/* What follows a refused request is never taken for a request. */
static void smuggling(void)
{
    static const char *const requests[] = {
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /hello "
        "HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\nGET /hello HTTP/1.1\r\nHost: "
        "a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: y\n\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nZ\r\nQ\r\nGET /hello HTTP/1.1\r\nHost: "
        "a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabXX0\r\n\r\nGET /hello "
        "HTTP/1.1\r\nHost: "
        "a\r\n\r\n",
    };
    test_start(NULL);
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        int fd = test_connect();
        test_say(fd, requests[i]);
        char *all = test_read_all(fd, NULL);
        CHECK(strncmp(all, "HTTP/1.1 400", 12) == 0 || strncmp(all, "HTTP/1.1 501", 12) == 0);
        CHECK(!strstr(all + 1, "HTTP/1.1"));
        free(all);
        close(fd);
    }
    CHECK_INT(atomic_load(&test->requests), 0);
    test_stop();
}

static void limits(void)
{
    http_server_options options = {.head_bytes_max = 1000, .headers_max = 30, .body_bytes_max = 1000};
    char filler[4096], request[8192];
    test_start(&options);
    memset(filler, 'a', sizeof(filler));
    int fd = test_connect();
    snprintf(request, sizeof(request), "GET /%.2000s HTTP/1.1\r\nHost: a\r\n\r\n", filler);
    test_say(fd, request);
    test_expect(fd, 414, NULL);
    test_expect_end(fd);
    fd = test_connect();
    snprintf(request, sizeof(request), "GET / HTTP/1.1\r\nHost: a\r\nX: %.2000s\r\n\r\n", filler);
    test_say(fd, request);
    test_expect(fd, 431, NULL);
    test_expect_end(fd);
    for (int count = 30; count <= 31; count++) { /* more than are noted in place, and one too many */
        fd = test_connect();
        test_say(fd, "GET / HTTP/1.1\r\nHost: a\r\n");
        for (int i = 1; i < count; i++) test_say(fd, "X: y\r\n");
        test_say(fd, "\r\n");
        test_expect(fd, count == 30 ? 200 : 431, NULL);
        close(fd);
    }
    for (size_t len = 1000; len <= 1001; len++) {
        fd = test_connect();
        snprintf(request, sizeof(request), "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n", len);
        test_say(fd, request);
        test_send(fd, filler, len);
        test_expect(fd, len == 1000 ? 200 : 413, NULL);
        close(fd);
        fd = test_connect();
        snprintf(request, sizeof(request),
                 "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n%zx\r\n", len - 1);
        test_say(fd, request);
        test_send(fd, filler, len - 1);
        test_say(fd, "\r\n0\r\n\r\n");
        test_expect(fd, len == 1000 ? 200 : 413, NULL);
        close(fd);
    }
    /* a head of just the size that is allowed */
    fd = test_connect();
    size_t fixed = strlen("GET /hello HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n");
    snprintf(request, sizeof(request), "GET /hello HTTP/1.1\r\nHost: a\r\nX: %.*s\r\n\r\n", (int)(999 - fixed), filler);
    test_say(fd, request);
    test_expect(fd, 200, "hello");
    close(fd);
    test_stop();
}

static void huge_extensions(void)
{
    char filler[8193];
    test_start(NULL);
    memset(filler, 'a', sizeof(filler));
    int fd = test_connect();
    test_say(fd, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;");
    test_send(fd, filler, sizeof(filler));
    test_expect(fd, 400, NULL);
    test_expect_end(fd);
    fd = test_connect();
    test_say(fd, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n");
    test_send(fd, filler, sizeof(filler));
    test_expect(fd, 400, NULL);
    test_expect_end(fd);
    test_stop();
}

static void bodies(void)
{
    size_t len = 3 << 20;
    char *body = malloc(len), head[128];
    CHECK(body);
    for (size_t i = 0; i < len; i++) body[i] = (char)(i * 7919 >> 5);
    test_start(NULL);
    int fd = test_connect();
    /* sizes about those at which buffers grow */
    for (size_t n = 1; n <= len; n = n < 2400 && n > 2100 ? n + 1 : n * 2 + 1) {
        snprintf(head, sizeof(head), "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n", n);
        test_say(fd, head);
        test_send(fd, body, n);
        test_answer a = test_read(fd);
        CHECK_INT(a.status, 200);
        CHECK_INT(a.len, n);
        CHECK(memcmp(a.body, body, n) == 0);
        free(a.body);
    }
    test_say(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (size_t at = 0, n = 1; at < len; at += n, n = n * 2 < len - at ? n * 2 : len - at) {
        if (n == 0) break;
        snprintf(head, sizeof(head), "%zX;x\r\n", n);
        test_say(fd, head);
        test_send(fd, body + at, n);
        test_say(fd, "\r\n");
    }
    test_say(fd, "0\r\n\r\n");
    test_answer a = test_read(fd);
    CHECK_INT(a.status, 200);
    CHECK(a.len == len && memcmp(a.body, body, len) == 0);
    free(a.body);
    free(body);
    close(fd);
    test_stop();
}

static void pipelining(void)
{
    static const char *const kinds[] = {
        "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /later HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    };
    test_start(NULL);
    for (size_t step = 1; step < 4000; step = step * 3 + 1) { /* how the bytes are cut */
        char all[16384] = "";
        int fd = test_connect();
        for (int i = 0; i < 100; i++) strcat(all, kinds[step == 4 ? 0 : i % 4]);
        for (size_t at = 0, len = strlen(all); at < len; at += step)
            test_send(fd, all + at, len - at < step ? len - at : step);
        for (int i = 0; i < 100; i++) test_expect(fd, 200, "hello");
        close(fd);
    }
    test_stop();
}

static size_t brim_requests(char *to, size_t first, size_t second, size_t *head)
{
    size_t n =
        (size_t)sprintf(to, "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%zx\r\n", first - 4);
    memset(to + n, 'x', first - 4);
    *head = n + first - 4;
    n = *head + (size_t)sprintf(to + *head,
                                "\r\n4\r\nlast\r\n0\r\n\r\n"
                                "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n",
                                second);
    memset(to + n, 'y', second);
    return n + second;
}

/* A body that ends where the memory ends that it was read into. A chunked body doubles that memory; its last chunk
 * comes in one segment with the request whose body fills the rest, at one of these sizes to the last byte. */
static void bodies_to_the_brim(void)
{
    enum { BODY_MAX = 65536, SIZES = 300 };
    http_server_options options = {.head_bytes_max = 1024, .body_bytes_max = BODY_MAX};
    char *all = malloc(3 * BODY_MAX);
    CHECK(all);
    test_start(&options);
    for (size_t second = BODY_MAX - SIZES; second <= BODY_MAX; second++) {
        size_t head = 0, len = brim_requests(all, BODY_MAX, second, &head);
        int fd = test_connect();
        test_send(fd, all, head);
        test_send(fd, all + head, len - head);
        test_answer a = test_read(fd);
        CHECK_INT(a.status, 200);
        CHECK_INT(a.len, BODY_MAX);
        CHECK(memcmp(a.body + BODY_MAX - 5, "xlast", 5) == 0);
        free(a.body);
        a = test_read(fd);
        CHECK_INT(a.status, 200);
        CHECK_INT(a.len, second);
        CHECK(memcmp(a.body, all + len - second, second) == 0);
        free(a.body);
        close(fd);
    }
    test_stop();
    free(all);
}

/* A client that sends requests for much and reads nothing: the server takes no more of them than it can hold. */
static void pipelining_unread(void)
{
    test_start(NULL);
    int fd = test_connect(), sent = 0;
    struct pollfd can_send = {fd, POLLOUT, 0};
    static const char request[] = "GET /big?1000000 HTTP/1.1\r\nHost: x\r\n\r\n";
    for (; sent < 300; sent++) test_say(fd, request);
    CHECK(poll(&can_send, 1, 0) >= 0);
    TEST_AWAIT(test_exchanges() == 0 && atomic_load(&test->requests) > 0);
    CHECK(atomic_load(&test->requests) < 50); /* what fits in the kernel's buffers and one answer more */
    for (int i = 0; i < sent; i++) {
        test_answer a = test_read(fd);
        CHECK_INT(a.len, 1000000);
        free(a.body);
    }
    close(fd);
    test_stop();
}

static void head_requests(void)
{
    test_start(NULL);
    int fd = test_connect();
    test_say(fd, "HEAD /big?123456 HTTP/1.1\r\nHost: x\r\n\r\nHEAD /stream?3 HTTP/1.1\r\nHost: x\r\n\r\n"
                 "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    test_answer a = test_read_head(fd);
    CHECK_INT(a.status, 200);
    CHECK_STR(test_find(&a, "Content-Length"), "123456");
    a = test_read_head(fd);
    CHECK_STR(test_find(&a, "Transfer-Encoding"), "chunked");
    test_expect(fd, 200, "hello");
    close(fd);
    test_stop();
}

static void bodiless(void)
{
    test_start(NULL);
    int fd = test_connect();
    test_say(fd, "GET /empty?204 HTTP/1.1\r\nHost: x\r\n\r\nGET /empty?304 HTTP/1.1\r\nHost: x\r\n\r\n"
                 "GET /empty?404 HTTP/1.1\r\nHost: x\r\n\r\n");
    for (int i = 0; i < 2; i++) {
        test_answer a = test_read(fd);
        CHECK_INT(a.status, i == 0 ? 204 : 304);
        CHECK(!test_find(&a, "Content-Length") && !test_find(&a, "Transfer-Encoding"));
    }
    test_expect(fd, 404, "ignored");
    /* 205 has no body either, but says how long it is: what follows is the next answer */
    test_say(fd, "GET /empty?205 HTTP/1.1\r\nHost: x\r\n\r\nHEAD /empty?205 HTTP/1.1\r\nHost: x\r\n\r\n"
                 "GET /stream?2&205 HTTP/1.1\r\nHost: x\r\n\r\nGET /empty?404 HTTP/1.1\r\nHost: x\r\n\r\n");
    for (int i = 0; i < 3; i++) {
        test_answer a = test_read_head(fd);
        CHECK_INT(a.status, 205);
        CHECK_STR(test_find(&a, "Content-Length"), "0");
        CHECK(!test_find(&a, "Transfer-Encoding"));
    }
    test_expect(fd, 404, "ignored");
    close(fd);
    test_stop();
}

static void streams(void)
{
    test_start(NULL);
    int fd = test_connect();
    test_say(fd, "GET /stream?3 HTTP/1.1\r\nHost: x\r\n\r\n");
    test_expect(fd, 200, "piece\npiece\npiece\n");
    test_say(fd, "GET /stream?0 HTTP/1.1\r\nHost: x\r\n\r\n");
    test_expect(fd, 200, "");
    test_say(fd, "GET /stream?100000 HTTP/1.1\r\nHost: x\r\n\r\n");
    test_answer a = test_read(fd);
    CHECK_INT(a.len, 600000);
    free(a.body);
    test_say(fd, "GET /begin HTTP/1.1\r\nHost: x\r\n\r\n"); /* a piece arrives though the stream goes on */
    char line[64];
    a = test_read_head(fd);
    test_line(fd, line, sizeof(line));
    CHECK_STR(line, "6\r\n");
    test_line(fd, line, sizeof(line));
    CHECK_STR(line, "piece\n");
    test_on_loop(test_do_end);
    test_line(fd, line, sizeof(line));
    test_line(fd, line, sizeof(line));
    CHECK_STR(line, "0\r\n");
    test_line(fd, line, sizeof(line));
    test_say(fd, "GET /stream?2 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"); /* until the end of file */
    char *all = test_read_all(fd, NULL);
    CHECK(strstr(all, "Connection: close\r\n") && !strstr(all, "Transfer-Encoding"));
    CHECK_STR(strstr(all, "\r\n\r\n"), "\r\n\r\npiece\npiece\n");
    free(all);
    close(fd);
    test_stop();
}

static void aborted(void)
{
    char byte;
    ssize_t n;
    test_start(NULL);
    int fd = test_connect();
    test_say(fd, "GET /abort HTTP/1.1\r\nHost: x\r\n\r\n");
    while ((n = test_recv(fd, &byte, 1)) > 0) {}
    CHECK(n < 0 && errno == ECONNRESET);
    close(fd);
    TEST_AWAIT(test_connections() == 0);
    test_stop();
}

static void persistence(void)
{
    static const struct {
        const char *request, *connection;
    } cases[] = {
        {"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "close"},
        {"GET /hello HTTP/1.0\r\n\r\n", "close"},
        {"GET /later HTTP/1.1\r\nHost: x\r\nConnection: x, Close\r\n\r\n", "close"},
    };
    test_start(NULL);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int fd = test_connect();
        test_say(fd, cases[i].request);
        test_say(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"); /* not to be answered */
        test_answer a = test_read(fd);
        CHECK_INT(a.status, 200);
        CHECK_STR(test_find(&a, "Connection"), cases[i].connection);
        free(a.body);
        test_expect_end(fd);
    }
    int fd = test_connect();
    test_say(fd, "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    test_answer a = test_read(fd);
    CHECK_STR(test_find(&a, "Connection"), "keep-alive");
    free(a.body);
    close(fd);
    test_stop();
}

static void continues(void)
{
    test_start(NULL);
    int fd = test_connect();
    test_say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\nContent-Length: 3\r\n\r\n");
    test_expect(fd, 100, NULL);
    test_say(fd, "abc");
    test_expect(fd, 200, "abc");
    test_say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n");
    test_expect(fd, 100, NULL);
    test_say(fd, "1\r\nz\r\n0\r\n\r\n");
    test_expect(fd, 200, "z");
    /* not when the body is there, or there is none, or the client is too old to know */
    test_say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc");
    test_expect(fd, 200, "abc");
    test_say(fd, "GET /hello HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n");
    test_expect(fd, 200, "hello");
    test_say(fd, "POST /echo HTTP/1.0\r\nConnection: keep-alive\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n");
    test_say(fd, "a");
    test_expect(fd, 200, "a");
    close(fd);
    test_stop();
}

static void header_rules(void)
{
    CHECK(http_header_valid("X-A", "b c\t\xff"));
    CHECK(http_header_valid("X", ""));
    CHECK(!http_header_valid("", "a"));
    CHECK(!http_header_valid("X A", "a"));
    CHECK(!http_header_valid("X:", "a"));
    CHECK(!http_header_valid("X\r", "a"));
    CHECK(!http_header_valid("X", "a\r\nSet-Cookie: b"));
    CHECK(!http_header_valid("X", "a\nb"));
    CHECK(!http_header_valid("X", "\x01"));
    CHECK_STR(http_status_text(404), "Not Found");
    CHECK_STR(http_status_text(299), "");
    CHECK_STR(http_status_text(-1), "");
    CHECK_STR(http_status_text(6000), "");
}

static void addresses(void)
{
    static const char *const wrong[] = {"",      ":",       "1.2.3.4", "localhost:", "::1:80",
                                        "[]:80", "[::1:80", "x:99999", "x:1x"};
    char text[256];
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        text[0] = 0;
        CHECK_INT(http_listen(wrong[i], text, sizeof(text)), -1);
        CHECK(strstr(text, "cannot listen on"));
    }
    CHECK_INT(http_listen("203.0.113.1:0", text, sizeof(text)), -1);
    CHECK(strstr(text, "does not have that address"));
    int fd = http_listen(":0", text, sizeof(text));
    CHECK(fd >= 0 && http_listen_address(fd, text, sizeof(text)));
    close(fd);
    CHECK(!http_listen_address(fd, text, sizeof(text)));
    CHECK(!http_listen_address(0, text, sizeof(text)));
    uv_loop_t loop;
    http_server_options options = {.on_request = test_on_request};
    CHECK(uv_loop_init(&loop) == 0);
    CHECK(!http_server_start(&loop, 0, &options, text, sizeof(text)));
    CHECK(strstr(text, "no listening socket"));
    CHECK(uv_loop_close(&loop) == 0);
}

static const check_case cases[] = {
    {"hello", hello},
    {"info", info},
    {"refusals", refusals},
    {"smuggling", smuggling},
    {"limits", limits},
    {"huge_extensions", huge_extensions},
    {"bodies", bodies},
    {"pipelining", pipelining},
    {"bodies_to_the_brim", bodies_to_the_brim},
    {"pipelining_unread", pipelining_unread},
    {"head_requests", head_requests},
    {"bodiless", bodiless},
    {"streams", streams},
    {"aborted", aborted},
    {"persistence", persistence},
    {"continues", continues},
    {"header_rules", header_rules},
    {"addresses", addresses},
};
CHECK_MAIN(cases)
