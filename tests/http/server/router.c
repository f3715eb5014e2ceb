/* Routes, escapes, chunked bodies and bodies of refusals: what is pure, against plain models where there are random
 * inputs. */
#include "http/server/router.h"

#include <stdint.h>

#include "http/server/chunked.h"
#include "http/uri.h"
#include "tests/harness/check.h"

static http_text text(const char *s) { return (http_text){s, strlen(s)}; }

static http_router *router_with(const char *const *routes)
{
    char error[256];
    http_router *r = http_router_new();
    CHECK(r);
    for (; *routes; routes++) CHECK(http_router_add(r, *routes, (void *)(uintptr_t)*routes, error, sizeof(error)));
    return r;
}

static void finds(void)
{
    static const char *const routes[] = {"GET /",        "GET /a",        "GET /a/",      "GET /a/:b",   "GET /a/:x/c",
                                         "GET /a/b/d",   "POST /a/:c",    "DELETE /u/me", "GET /u/:id",  "GET /f/*rest",
                                         "GET /f/fixed", "GET /:p/:q/:r", "HEAD /headed", "GET /headed", NULL};
    static const struct {
        const char *method, *path, *route, *params;
    } cases[] = {
        {"GET", "/", "GET /", ""},
        {"GET", "/a", "GET /a", ""},
        {"GET", "/a/", "GET /a/", ""},
        {"GET", "/%61", "GET /a", ""},
        {"GET", "/a/b", "GET /a/:b", "b=b;"},
        {"POST", "/a/b", "POST /a/:c", "c=b;"},
        {"GET", "/a/b/c", "GET /a/:x/c", "x=b;"},
        {"GET", "/a/b/d", "GET /a/b/d", ""},
        {"GET", "/a/b/e", "GET /:p/:q/:r", "p=a;q=b;r=e;"},
        {"GET", "/a/x%2Fy%20+", "GET /a/:b", "b=x/y +;"},
        {"DELETE", "/u/me", "DELETE /u/me", ""},
        {"GET", "/u/me", "GET /u/:id", "id=me;"}, /* the literal has no GET, so the other is looked at */
        {"HEAD", "/u/1", "GET /u/:id", "id=1;"},
        {"HEAD", "/headed", "HEAD /headed", ""},
        {"GET", "/f/", "GET /f/*rest", "rest=;"},
        {"GET", "/f/x/y/", "GET /f/*rest", "rest=x/y/;"},
        {"GET", "/f/fixed", "GET /f/fixed", ""},
        {"GET", "/f/fixed/more", "GET /f/*rest", "rest=fixed/more;"},
    };
    http_router *r = router_with(routes);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        http_match m;
        char params[256] = "";
        CHECK_INT(http_router_find(r, text(cases[i].method), text(cases[i].path), &m), HTTP_MATCH_FOUND);
        CHECK_STR((const char *)m.target, cases[i].route);
        for (size_t p = 0; p < m.param_count; p++) {
            CHECK_INT(strlen(m.params[p].value), m.params[p].value_len);
            snprintf(params + strlen(params), 128, "%s=%s;", m.params[p].name, m.params[p].value);
        }
        CHECK_STR(params, cases[i].params);
    }
    http_router_free(r);
}

static void finds_not(void)
{
    static const char *const routes[] = {"GET /a/:b", "PUT /a/:c", "DELETE /a/x", "GET /long/:a/:b", NULL};
    static const struct {
        const char *method, *path;
        http_match_result result;
        const char *allow;
    } cases[] = {
        {"GET", "/", HTTP_MATCH_NOT_FOUND, NULL},
        {"GET", "", HTTP_MATCH_NOT_FOUND, NULL},
        {"OPTIONS", "*", HTTP_MATCH_NOT_FOUND, NULL},
        {"GET", "/a", HTTP_MATCH_NOT_FOUND, NULL},
        {"GET", "/a/", HTTP_MATCH_NOT_FOUND, NULL},
        {"GET", "/a/b/", HTTP_MATCH_NOT_FOUND, NULL},
        {"GET", "//a/b", HTTP_MATCH_NOT_FOUND, NULL},
        {"GET", "/A/b", HTTP_MATCH_NOT_FOUND, NULL},
        {"POST", "/a/y", HTTP_MATCH_METHOD, "GET, HEAD, PUT, OPTIONS"},
        {"get", "/a/y", HTTP_MATCH_METHOD, "GET, HEAD, PUT, OPTIONS"},
        {"OPTIONS", "/a/x", HTTP_MATCH_METHOD, "DELETE, GET, HEAD, PUT, OPTIONS"},
        {"GET", "/a/%", HTTP_MATCH_BAD_PATH, NULL},
        {"GET", "/a/%4", HTTP_MATCH_BAD_PATH, NULL},
        {"GET", "/a/%zz", HTTP_MATCH_BAD_PATH, NULL},
        {"GET", "/a/x%00y", HTTP_MATCH_BAD_PATH, NULL},
        {"GET", "/nowhere/%0g", HTTP_MATCH_BAD_PATH, NULL},
    };
    http_match m;
    char path[2 * HTTP_PARAM_BYTES];
    http_router *r = router_with(routes);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CHECK_INT(http_router_find(r, text(cases[i].method), text(cases[i].path), &m), cases[i].result);
        CHECK_INT(m.result, cases[i].result);
        if (cases[i].allow) CHECK_STR(m.allow, cases[i].allow);
    }
    for (int len = HTTP_PARAM_BYTES - 4; len <= HTTP_PARAM_BYTES + 1; len++) { /* about the room for values */
        memset(path, 'x', sizeof(path));
        memcpy(path, "/a/", 3);
        CHECK_INT(http_router_find(r, text("GET"), (http_text){path, (size_t)len + 3}, &m),
                  len < HTTP_PARAM_BYTES ? HTTP_MATCH_FOUND : HTTP_MATCH_TOO_LONG);
        memcpy(path, "/long/", 6);
        path[6 + len - 3] = '/';
        CHECK_INT(http_router_find(r, text("GET"), (http_text){path, (size_t)len + 6}, &m),
                  len + 1 <= HTTP_PARAM_BYTES ? HTTP_MATCH_FOUND : HTTP_MATCH_TOO_LONG);
    }
    http_router_free(r);
}

/* No method is left out of Allow: of many routes that fit one path all are named, and more than fit are refused. */
static void allows_all(void)
{
    char error[256], route[64];
    http_match m;
    int target = 0, count = 0;
    static const char *const fitting[] = {"GET /a/b/c",     "POST /a/b/:z",  "PUT /a/:y/c", "PATCH /a/:y/:z",
                                          "DELETE /:x/b/c", "LOCK /:x/b/:z", "COPY /:x/*r", "MOVE /*r"};
    http_router *r = http_router_new();
    CHECK(r);
    for (size_t i = 0; i < sizeof(fitting) / sizeof(fitting[0]); i++)
        CHECK(http_router_add(r, fitting[i], &target, error, sizeof(error)));
    CHECK_INT(http_router_find(r, text("SEARCH"), text("/a/b/c"), &m), HTTP_MATCH_METHOD);
    CHECK(m.target == &target);
    for (size_t i = 0; i < sizeof(fitting) / sizeof(fitting[0]); i++) {
        snprintf(route, sizeof(route), "%.*s", (int)strcspn(fitting[i], " "), fitting[i]);
        CHECK(strstr(m.allow, route));
    }
    for (;; count++) {
        snprintf(route, sizeof(route), "M%c-%021d /a/b/c", 'A' + count, 0);
        for (char *at = route + 3; *at != ' '; at++) *at = 'X';
        if (!http_router_add(r, route, &target, error, sizeof(error))) break;
    }
    CHECK(strstr(error, "too many methods"));
    CHECK(count > 3 && count < 12);
    http_router_find(r, text("SEARCH"), text("/a/b/c"), &m);
    for (int i = 0; i < count; i++) {
        snprintf(route, sizeof(route), "M%c-X", 'A' + i);
        CHECK(strstr(m.allow, route));
    }
    http_router_free(r);
}

static void refuses_routes(void)
{
    static const char *const wrong[] = {
        "",          "GET",        "/a",       "GET a",     "get /a",     "GET  /a",       "GET /a b", "GET /a//b",
        "GET /:",    "GET /:a/:a", "GET /:1",  "GET /*a/b", "GET /*",     "GET /%61",      "GET /a?b", "GET /a#b",
        "GET /:a-b", "GET /\xc3",  "GET /a:b", "GET /:a",   "GET /x/:zz", "GET /y/*other", "GET /same"};
    static const char *const routes[] = {"GET /:b", "GET /x/:z", "GET /y/*z", "GET /same", NULL};
    char error[256], many[256] = "GET ";
    http_router *r = router_with(routes);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        error[0] = 0;
        if (http_router_add(r, wrong[i], NULL, error, sizeof(error))) printf("# taken: %s\n", wrong[i]);
        CHECK(strstr(error, wrong[i]) && strstr(error, "route \""));
    }
    CHECK(strstr(error, "already"));
    for (int i = 0; i < HTTP_PARAMS_MAX; i++) snprintf(many + strlen(many), 8, "/:p%d", i);
    CHECK(http_router_add(r, many, NULL, error, sizeof(error)));
    strcat(many, "/:more");
    CHECK(!http_router_add(r, many, NULL, error, sizeof(error)));
    http_router_free(r);
    http_router_free(NULL);
}

static uint64_t seed = 88172645463325252u;

static unsigned dice(unsigned sides)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed % sides);
}

/* Does the route fit the path? By the letter of the rules, segment by segment. */
static int fits(const char *route, const char *path)
{
    while (*route && *path) {
        size_t route_len = strcspn(route + 1, "/"), path_len = strcspn(path + 1, "/");
        if (route[1] == '*') return 1;
        if (route[1] == ':' ? path_len == 0 : route_len != path_len || memcmp(route + 1, path + 1, path_len) != 0)
            return 0;
        route += 1 + route_len;
        path += 1 + path_len;
    }
    return *route == *path;
}

/* Is `a` to be preferred to `b`, both fitting? At the first segment that differs in kind the more literal one wins. */
static int beats(const char *a, const char *b)
{
    for (; *a && *b; a += 1 + strcspn(a + 1, "/"), b += 1 + strcspn(b + 1, "/")) {
        int rank_a = a[1] == '*' ? 2 : a[1] == ':' ? 1 : 0, rank_b = b[1] == '*' ? 2 : b[1] == ':' ? 1 : 0;
        if (rank_a != rank_b) return rank_a < rank_b;
    }
    return 0;
}

static void random_path(char *to, int is_route)
{
    static const char *const literals[] = {"/a", "/b", "/cc"};
    unsigned count = 1 + dice(4);
    *to = 0;
    for (unsigned i = 0; i < count; i++) {
        if (is_route && dice(3) == 0)
            sprintf(to + strlen(to), "/:p%u", i);
        else if (is_route && i + 1 == count && dice(4) == 0)
            strcat(to, "/*r");
        else
            strcat(to, literals[dice(3)]);
    }
    if (dice(8) == 0 && !strchr(to, '*')) strcat(to, "/");
}

static void random_routes(void)
{
    for (int round = 0; round < 300; round++) {
        char routes[12][64], error[256], path[64];
        int count = 0;
        http_router *r = http_router_new();
        CHECK(r);
        for (int i = 0; i < 12; i++) {
            strcpy(routes[count], "GET ");
            random_path(routes[count] + 4, 1);
            if (http_router_add(r, routes[count], routes[count], error, sizeof(error))) count++;
        }
        for (int i = 0; i < 100; i++) {
            http_match m;
            const char *best = NULL;
            random_path(path, 0);
            for (int k = 0; k < count; k++) {
                if (fits(routes[k] + 4, path) && (!best || beats(routes[k] + 4, best + 4))) best = routes[k];
            }
            CHECK_INT(http_router_find(r, text("GET"), text(path), &m), best ? HTTP_MATCH_FOUND : HTTP_MATCH_NOT_FOUND);
            if (best) CHECK(m.target == best);
        }
        http_router_free(r);
    }
}

static void escapes(void)
{
    char out[64];
    size_t len;
    CHECK(uri_decode_path("a%20b+c%2f%C3%a4", 16, out, &len));
    CHECK_STR(out, "a b+c/\xc3\xa4");
    CHECK_INT(len, strlen(out));
    uri_decode_query("a+b%2Bc", 7, out, &len);
    CHECK_STR(out, "a b+c");
    CHECK(uri_decode_path("", 0, out, &len) && len == 0 && out[0] == 0);
    CHECK(!uri_decode_path("%", 1, out, &len));
    CHECK(!uri_decode_path("%4", 2, out, &len));
    CHECK(!uri_decode_path("%4x", 3, out, &len));
    CHECK(!uri_decode_path("%00", 3, out, &len));
    CHECK(!uri_decode_path("a\0b", 3, out, &len));
    CHECK(!uri_decode_path("%41%4", 4, out, &len)); /* cut within the escape */
    strcpy(out, "%41%42");
    CHECK(uri_decode_path(out, 6, out, &len)); /* in place */
    CHECK_STR(out, "AB");
}

/* What is no escape stands for itself. */
static void escapes_of_queries(void)
{
    static const struct {
        const char *text, *decoded;
    } rows[] = {{"100%", "100%"},  {"%", "%"},       {"%%", "%%"},           {"%4", "%4"},
                {"%4x", "%4x"},    {"%41%4", "A%4"}, {"%%41", "%A"},         {"50%+off", "50% off"},
                {"%00", "%00"},    {"%2500", "%00"}, {"a%zz%20b", "a%zz b"}, {"%C3%A4", "\xc3\xa4"},
                {"%c3%", "\xc3%"}, {"", ""}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char out[64];
        size_t len;
        uri_decode_query(rows[i].text, strlen(rows[i].text), out, &len);
        CHECK_STR(out, rows[i].decoded);
        CHECK_INT(len, strlen(rows[i].decoded));
    }
}

static void queries(void)
{
    static const char query[] = "a=1&&b&c=%20x+y&a=2&%64=4&e=%zz&f=6";
    char value[sizeof(query)];
    size_t len = sizeof(query) - 1, at = 0, count = 0;
    http_text name, raw;
    CHECK(uri_query(query, len, "a", value));
    CHECK_STR(value, "1");
    CHECK(uri_query(query, len, "b", value));
    CHECK_STR(value, "");
    CHECK(uri_query(query, len, "c", value));
    CHECK_STR(value, " x y");
    CHECK(uri_query(query, len, "d", value));
    CHECK_STR(value, "4");
    CHECK(uri_query(query, len, "e", value));
    CHECK_STR(value, "%zz");
    CHECK(uri_query(query, len, "f", value));
    CHECK_STR(value, "6");
    CHECK(!uri_query(query, len, "g", value));
    CHECK(!uri_query("", 0, "a", value));
    CHECK(uri_query("%=1&a=2", 7, "a", value));
    CHECK_STR(value, "2");
    CHECK(uri_query("%=1&a=2", 7, "%", value));
    CHECK_STR(value, "1");
    while (uri_query_next(text(query), &at, &name, &raw)) count++;
    CHECK_INT(count, 7);
}

/* Whatever is encoded is decoded to the same again. */
static void escapes_round(void)
{
    for (int round = 0; round < 2000; round++) {
        char plain[40], encoded[140] = "", out[140];
        size_t len = dice(sizeof(plain) - 1), out_len;
        for (size_t i = 0; i < len; i++) plain[i] = (char)(1 + dice(255));
        plain[len] = 0;
        for (size_t i = 0; i < len; i++) {
            unsigned char b = (unsigned char)plain[i];
            if (b == '%' || b == '+' || b == ' ' || dice(2))
                sprintf(encoded + strlen(encoded), dice(2) ? "%%%02x" : "%%%02X", b);
            else
                sprintf(encoded + strlen(encoded), "%c", plain[i]);
        }
        CHECK(uri_decode_path(encoded, strlen(encoded), out, &out_len));
        CHECK(out_len == len && strcmp(out, plain) == 0);
        uri_decode_query(encoded, strlen(encoded), out, &out_len);
        CHECK(out_len == len && strcmp(out, plain) == 0);
        CHECK(uri_path_equals(text(encoded), plain, len));
        CHECK(len == 0 || !uri_path_equals(text(encoded), plain, len - 1));
    }
}

/* A random body in random chunks, fed in random pieces and decoded in place. */
static void chunked_bodies(void)
{
    for (int round = 0; round < 500; round++) {
        char body[600], coded[8000] = "", *end = coded;
        size_t len = dice(sizeof(body)), out = 0, at = 0;
        for (size_t i = 0; i < len; i++) body[i] = (char)dice(256);
        for (size_t n; at < len; at += n) {
            n = 1 + dice((unsigned)(len - at));
            end += sprintf(end, dice(2) ? "%zx\r\n" : "0%zX;a=\"b\"\r\n", n);
            memcpy(end, body + at, n);
            memcpy(end + n, "\r\n", 2);
            end += n + 2;
        }
        end += sprintf(end, dice(2) ? "0\r\n\r\n" : "00;x\r\nTrailer: y\r\nZ:\r\n\r\n");
        size_t coded_len = (size_t)(end - coded);
        memcpy(end, "next", 4);
        chunked c;
        chunked_init(&c, sizeof(body));
        chunked_result result = CHUNKED_MORE;
        for (at = 0; result == CHUNKED_MORE;) {
            size_t n = 1 + dice(40), taken, got;
            CHECK(at < coded_len);
            if (n > coded_len + 4 - at) n = coded_len + 4 - at;
            result = chunked_decode(&c, (http_text){coded + at, n}, &taken, coded + out, &got);
            CHECK(result == CHUNKED_DONE || (result == CHUNKED_MORE && taken == n));
            at += taken;
            out += got;
        }
        CHECK_INT(at, coded_len);
        CHECK(out == len && memcmp(coded, body, len) == 0);
        CHECK(memcmp(coded + at, "next", 4) == 0);
    }
}

/* Bodies of refusals are written without memory, or not at all: texts that JSON wants escaped are for a JSON writer. */
static void problem_bodies(void)
{
    static const char *const strange[] = {"a \"quote\"", "a \\", "a\nline", "a\x7f", "caf\xc3\xa9", "\xff"};
    char to[256], wide[256];
    CHECK_INT(http_problem_body(to, sizeof to, 404, NULL, NULL), strlen(to));
    CHECK_STR(to, "{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404}\n");
    CHECK_INT(http_problem_body(to, sizeof to, 503, NULL, "no room"), strlen(to));
    CHECK_STR(to,
              "{\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,\"detail\":\"no room\"}\n");
    CHECK_INT(http_problem_body(to, sizeof to, 500, "no file", NULL), strlen(to));
    CHECK_STR(to, "{\"type\":\"about:blank\",\"title\":\"no file\",\"status\":500}\n");
    for (size_t i = 0; i < sizeof strange / sizeof strange[0]; i++) {
        CHECK_INT(http_problem_body(to, sizeof to, 400, NULL, strange[i]), 0);
        CHECK_INT(http_problem_body(to, sizeof to, 400, strange[i], NULL), 0);
    }
    for (size_t len = 0; len < sizeof wide; len++) { /* never beyond the end, whatever fits */
        memset(wide, 'x', len);
        wide[len] = 0;
        memset(to, '#', sizeof to);
        size_t written = http_problem_body(to, sizeof to - 1, 400, "", wide);
        CHECK(to[sizeof to - 1] == '#');
        CHECK(written == 0 ? len > 100 : written == strlen(to));
    }
}

static const check_case cases[] = {
    {"finds", finds},
    {"finds_not", finds_not},
    {"allows_all", allows_all},
    {"refuses_routes", refuses_routes},
    {"random_routes", random_routes},
    {"escapes", escapes},
    {"escapes of queries", escapes_of_queries},
    {"queries", queries},
    {"escapes_round", escapes_round},
    {"chunked_bodies", chunked_bodies},
    {"problem_bodies", problem_bodies},
};
CHECK_MAIN(cases)
