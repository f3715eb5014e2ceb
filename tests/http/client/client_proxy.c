/* Which calls go through a proxy of the environment: as libcurl decides by itself, pair by pair; and what reaches a
 * proxy that closes connections. */
#include "http/client/client_core.h"
#include "tests/harness/wire.h"

enum { PROXY_PORT = 3129 };

/* ---- libcurl's own decision: the port that it wants to connect to ---- */

static int wanted_port;

static curl_socket_t note_port(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct sockaddr_in four;
    (void)arg, (void)purpose;
    memcpy(&four, &address->addr, sizeof four);
    wanted_port =
        ntohs(address->family == AF_INET ? four.sin_port : ((struct sockaddr_in6 *)&address->addr)->sin6_port);
    return CURL_SOCKET_BAD;
}

static bool curl_takes_proxy(const char *origin)
{
    char known[300];
    CURL *h = curl_easy_init();
    CHECK(h);
    const char *name = strstr(origin, "://") + 3;
    snprintf(known, sizeof known, "%.*s:%s:127.0.0.1", (int)(strrchr(name, ':') - name), name, strrchr(name, ':') + 1);
    struct curl_slist *resolve = *name == '[' ? NULL : curl_slist_append(NULL, known);
    wanted_port = 0;
    CHECK(curl_easy_setopt(h, CURLOPT_URL, origin) == CURLE_OK &&
          curl_easy_setopt(h, CURLOPT_RESOLVE, resolve) == CURLE_OK &&
          curl_easy_setopt(h, CURLOPT_OPENSOCKETFUNCTION, note_port) == CURLE_OK);
    (void)curl_easy_perform(h);
    CHECK(wanted_port);
    curl_slist_free_all(resolve);
    curl_easy_cleanup(h);
    return wanted_port == PROXY_PORT;
}

static bool client_takes_proxy(const char *origin)
{
    http_client c = {.name_count = 0};
    CHECK(proxies_init(&c));
    bool takes = proxy_applies(&c, origin);
    free(c.no_proxy);
    return takes;
}

static void set(const char *name, const char *value) { CHECK((value ? setenv(name, value, 1) : unsetenv(name)) == 0); }

static const char *const origins[] = {
    "http://example.com:80",      "http://www.example.com:80", "http://notexample.com:80",
    "http://example.com.evil:80", "http://example.com.:80",    "http://com:80",
    "http://10.1.2.3:80",         "http://10.2.2.3:80",        "http://192.168.7.1:80",
    "http://[2001:db8::1]:80",    "http://[2001:db9::1]:80",   "http://0xa010203:80",
    "https://example.com:443",    "https://10.1.2.3:443"};

static void compare(const char *no_proxy)
{
    set("no_proxy", no_proxy);
    for (size_t i = 0; i < sizeof origins / sizeof origins[0]; i++) {
        bool curls = curl_takes_proxy(origins[i]), ours = client_takes_proxy(origins[i]);
        if (curls != ours) printf("# no_proxy=%s %s: curl %d\n", no_proxy ? no_proxy : "", origins[i], curls);
        CHECK(curls == ours);
    }
}

static void test_exceptions(void)
{
    static const char *const exceptions[] = {NULL,
                                             "",
                                             "*",
                                             "example.com",
                                             ".example.com",
                                             "www.example.com",
                                             "EXAMPLE.com",
                                             "ample.com",
                                             "com",
                                             "example.com.",
                                             "other, example.com",
                                             "10.1.2.3",
                                             "10.1.0.0/16",
                                             "10.0.0.0/8",
                                             "10.1.2.0/23,192.168.0.0/16",
                                             "10.1.2.3/33",
                                             "2001:db8::1",
                                             "x,,  ,10.1.2.3",
                                             "*,example.com"};
    char proxy[64];
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%d", PROXY_PORT);
    set("http_proxy", proxy);
    set("https_proxy", proxy);
    for (size_t i = 0; i < sizeof exceptions / sizeof exceptions[0]; i++) compare(exceptions[i]);
    /* spaces between names, behind the first of which curl 8.14 reads no more */
    set("no_proxy", "other example.com");
    CHECK(!client_takes_proxy("http://example.com:80") && client_takes_proxy("http://notexample.com:80"));
    /* blocks of IPv6 addresses, of which curl before 8 makes names */
    set("no_proxy", "2001:db8::/32");
    CHECK(!client_takes_proxy("http://[2001:db8::1]:80") && client_takes_proxy("http://[2001:db9::1]:80"));
    set("no_proxy", "2001:db8::/31 [2001:dba::1]");
    CHECK(!client_takes_proxy("http://[2001:db9::1]:80") && !client_takes_proxy("http://[2001:dba::1]:80"));
    /* what is no number of bits is no block: for curl it is the one address */
    static const char *const mistakes[] = {"10.0.0.0/",    "10.0.0.0/x",   "10.0.0.0/8x", "10.0.0.0/ 8",
                                           "10.0.0.0/,10", "10.0.0.0/-24", "10.0.0.0/+8", "10.0.0.0/00008",
                                           "10.0.0.0//8",  "2001:db8::/"};
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        set("no_proxy", mistakes[i]);
        CHECK(client_takes_proxy("http://10.1.2.3:80") && client_takes_proxy("http://[2001:db8::1]:80"));
    }
    set("http_proxy", NULL);
    set("https_proxy", NULL);
    set("no_proxy", NULL);
}

static void test_variables(void)
{
    static const char *const names[] = {"http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY",
                                        "all_proxy",  "ALL_PROXY",  "NOTHING"};
    char proxy[64];
    snprintf(proxy, sizeof proxy, "127.0.0.1:%d", PROXY_PORT);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        set(names[i], proxy);
        compare(NULL);
        set("NO_PROXY", "example.com");
        compare(NULL);
        set("NO_PROXY", NULL);
        set(names[i], NULL);
    }
    set("http_proxy", proxy);
    CHECK(!client_takes_proxy("http://localhost:80") && !client_takes_proxy("http://127.0.0.1:80") &&
          !client_takes_proxy("http://[::1]:80")); /* other than with curl: never */
    set("http_proxy", NULL);
}

/* ---- What reaches a proxy ---- */

static bool answer(int fd, const wire_request *r)
{
    static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    if (strstr(r->target, "/break")) return false;
    wire_say(fd, ok, sizeof ok - 1);
    return true;
}

static void begin(void)
{
    wire_listen(answer);
    set("http_proxy", wire_url(""));
    CHECK(uv_loop_init(&loop) == 0);
    CHECK((client = http_client_new(&loop, &(http_client_options){.calls_max = 0})));
}

/* The name is the proxy's to look up: nobody here could. */
static void test_once(void)
{
    begin();
    for (int i = 0; i < 5; i++) {
        wire_finish(wire_start(&(http_call_options){.url = "http://a.invalid/ok"}), 200);
        http_call *call = wire_start(&(http_call_options){.url = "http://a.invalid/break", .method = "POST"});
        wire_expect(call, 0);
        CHECK_INT(http_call_error(call), HTTP_CALL_BROKEN);
        CHECK(strstr(http_call_error_text(call), "it may have been done"));
        wire_close(call);
    }
    CHECK_INT(wire_count("POST"), 5);
    CHECK_STR(wire.heard[0]->target, "http://a.invalid/ok");
    set("http_proxy", NULL);
    wire_end();
}

static void expect_failure(const char *proxy, const char *url, http_call_error_kind kind, const char *why)
{
    set("https_proxy", proxy);
    CHECK(uv_loop_init(&loop) == 0);
    CHECK((client = http_client_new(&loop, &(http_client_options){.calls_max = 0})));
    wire_listen(answer);
    http_call *call = wire_start(&(http_call_options){.url = url, .method = "POST"});
    wire_expect(call, 0);
    const char *said = http_call_error_text(call);
    if (http_call_error(call) != kind || !strstr(said, why) || strstr(said, "s3cret"))
        printf("# %s: %d %s\n", proxy, http_call_error(call), said);
    CHECK_INT(http_call_error(call), kind);
    CHECK(strstr(said, why) && !strstr(said, "s3cret") && strstr(said, "POST https://a.invalid:443/x: "));
    wire_close(call);
    set("https_proxy", NULL);
    wire_end();
}

static void test_unusable(void)
{
    static const char url[] = "https://u:s3cret@a.invalid/x?key=s3cret";
    expect_failure("http://u:s3cret@127.0.0.1:1", url, HTTP_CALL_PROXY, "127.0.0.1");
    expect_failure("http://u:s3cret@nowhere.invalid:1", url, HTTP_CALL_PROXY, "nowhere.invalid");
    expect_failure("gopher://u:s3cret@127.0.0.1:1", url, HTTP_CALL_UNSUPPORTED, "is none that libcurl can use");
    expect_failure("http://u:s3cret@[::1:1", url, HTTP_CALL_UNSUPPORTED, "is none that libcurl can use");
    expect_failure("socks5h://u:s3cret@127.0.0.1:1", url, HTTP_CALL_PROXY, "127.0.0.1");
}

static const check_case cases[] = {{"hosts that are called directly", test_exceptions},
                                   {"the variables of a proxy", test_variables},
                                   {"an unsafe request goes through a proxy once", test_once},
                                   {"proxies that cannot be used", test_unusable}};
CHECK_MAIN(cases)
