/* What an Idempotency-Key header says: strings of structured fields with their parameters, bare keys, and each way in
 * which a value is no key. */
#include "runtime/clients/idempotency_key.h"
#include "tests/harness/check.h"

static const char *read_key(const char *value, idempotency_key *key)
{
    printf("# %s\n", value);
    return idempotency_key_read(key, value, strlen(value));
}

static void test_keys(void)
{
    static const struct {
        const char *value, *key;
    } rows[] = {{"\"8e03978e-40d5-43e8-bc93-6894a57f9324\"", "8e03978e-40d5-43e8-bc93-6894a57f9324"},
                {"8e03978e-40d5-43e8-bc93-6894a57f9324", "8e03978e-40d5-43e8-bc93-6894a57f9324"},
                {"\"a b, c; d\"", "a b, c; d"},
                {"a b; d", "a b; d"},
                {"\"say \\\"yes\\\" to C:\\\\\"", "say \"yes\" to C:\\"},
                {"C:\\temp", "C:\\temp"},
                {"\"k\";a", "k"},
                {"\"k\";  a;b=1;c=-1.5;*d=?0;e=\"x;\\\"y\";f=tok/en:1;g=:aGk=:;h=@1659578233;i=%\"f%c3%bc\"", "k"},
                {"\"k\"  ", "k"},
                {"k=v", "k=v"},
                {"'k'", "'k'"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        idempotency_key key;
        CHECK(!read_key(rows[i].value, &key));
        CHECK_STR(key.text, rows[i].key);
        CHECK_INT(key.len, strlen(rows[i].key));
    }
}

static void test_refused(void)
{
    static const struct {
        const char *value, *says;
    } rows[] = {{"", "is empty"},
                {"\"\"", "is empty"},
                {"\"\";a=1", "is empty"},
                {"\"", "no closing quote"},
                {"\"abc", "no closing quote"},
                {"\"abc\\\"", "no closing quote"},
                {"\"abc\\", "backslash"},
                {"\"a\\b\"", "backslash"},
                {"abc\"", "has to be in quotes itself"},
                {"a\"b", "has to be in quotes itself"},
                {"\"a\"b", "only be parameters"},
                {"\"a\" ;b", "only be parameters"},
                {"\"a\" \"b\"", "only be parameters"},
                {"\"a\", \"b\"", "more than one"},
                {"\"a\";b=1,\"c\"", "more than one"},
                {"a, b", "more than one"},
                {"\"a\";", "parameter"},
                {"\"a\";B=1", "parameter"},
                {"\"a\";1", "parameter"},
                {"\"a\";b=", "parameter"},
                {"\"a\";b=?2", "parameter"},
                {"\"a\";b=1234567890123456", "parameter"},
                {"\"a\";b=1234567890123.1", "parameter"},
                {"\"a\";b=1.", "parameter"},
                {"\"a\";b=1.1234", "parameter"},
                {"\"a\";b=@1.5", "parameter"},
                {"\"a\";b=\"c", "parameter"},
                {"\"a\";b=\"\\c\"", "parameter"},
                {"\"a\";b=:a", "parameter"},
                {"\"a\";b=%\"%C3\"", "parameter"},
                {"\"a\";b=%\"%c", "parameter"},
                {"\"a\";b=(1)", "parameter"},
                {"\"a\tb\"", "printable"},
                {"a\tb", "printable"},
                {"\"f\xc3\xbcr\"", "printable"},
                {"f\xc3\xbcr", "printable"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        idempotency_key key;
        const char *wrong = read_key(rows[i].value, &key);
        CHECK(wrong);
        printf("# %s\n", wrong);
        CHECK(strstr(wrong, rows[i].says));
    }
}

/* The limit is the key's, not that of its quotes and escapes. */
static void test_length(void)
{
    char value[2 * IDEMPOTENCY_KEY_MAX + 8];
    idempotency_key key;
    for (int is_quoted = 0; is_quoted < 2; is_quoted++) {
        for (size_t n = IDEMPOTENCY_KEY_MAX; n <= IDEMPOTENCY_KEY_MAX + 1; n++) {
            size_t len = 0;
            if (is_quoted) value[len++] = '"';
            for (size_t i = 0; i < n; i++) {
                if (is_quoted) value[len++] = '\\';
                value[len++] = is_quoted ? '"' : 'k';
            }
            if (is_quoted) value[len++] = '"';
            const char *wrong = idempotency_key_read(&key, value, len);
            CHECK(n > IDEMPOTENCY_KEY_MAX ? wrong && strstr(wrong, "longer than 255 bytes") : !wrong && key.len == n);
        }
    }
}

static const check_case cases[] = {
    {"keys", test_keys}, {"what is no key", test_refused}, {"how long a key may be", test_length}};
CHECK_MAIN(cases)
