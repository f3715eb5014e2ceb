/* Which URL a client is told: by its Host and by --public-url, and what that flag refuses. */
#include "runtime/run/public_url.h"
#include "tests/harness/check.h"

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

static const check_case cases[] = {{"public URLs", test_public_url}};

CHECK_MAIN(cases)
