/* Which bytes may stand where in HTTP's fields: the whole-text questions agree with the tables, whatever the length and
 * wherever the byte is. */
#include "http/rfc_token.h"

#include "tests/harness/check.h"

enum { LENGTH_MOST = 40 };

static void field_values_agree_with_their_bytes(void)
{
    char text[LENGTH_MOST];
    for (size_t len = 1; len <= LENGTH_MOST; len++)
        for (size_t at = 0; at < len; at++)
            for (unsigned byte = 0; byte < 256; byte++) {
                memset(text, at % 3 ? 'x' : 0xc3, len);
                text[at] = (char)byte;
                CHECK_INT(is_rfc_field_value(text, len), rfc_field_byte((unsigned char)byte));
            }
    CHECK(is_rfc_field_value("", 0));
}

/* A borrow of one byte must not hide or invent another's. */
static void neighbours_do_not_matter(void)
{
    for (unsigned first = 0; first < 256; first++)
        for (unsigned second = 0; second < 256; second++) {
            const char text[] = {'a', (char)first, (char)second, 'b', 'c', 'd', 'e', 'f', 'g'};
            bool good = rfc_field_byte((unsigned char)first) && rfc_field_byte((unsigned char)second);
            CHECK_INT(is_rfc_field_value(text, sizeof text), good);
        }
}

static void tokens_are_not_empty(void)
{
    CHECK(!is_rfc_token("", 0));
    CHECK(is_rfc_token("X-Run-Id", 8));
    CHECK(!is_rfc_token("X Run", 5));
    CHECK(!is_rfc_token("X:", 2));
}

static const check_case cases[] = {
    {"field values agree with their bytes", field_values_agree_with_their_bytes},
    {"neighbours do not matter", neighbours_do_not_matter},
    {"tokens are not empty", tokens_are_not_empty},
};
CHECK_MAIN(cases)
