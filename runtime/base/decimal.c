#include "runtime/base/decimal.h"

#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <string.h>

__extension__ typedef unsigned __int128 uint128;

/* ---- Powers of ten ---- */

enum {
    POWER_MIN = -342,     /* 19 digits times this are below every double */
    POWER_MAX = 324,      /* scales the smallest subnormal to one digit */
    POWER_EXACT_MAX = 55, /* 5^55 is the largest power of five below 2^128 */
    LIMBS = 32,
    LIMB_BITS = 32
};

/* 10^k = (powers[k - POWER_MIN] + x) * 2^(power_log2(k) - 127) with 0 <= x < 1; the top bit is set. */
static uint128 powers[POWER_MAX - POWER_MIN + 1];
static pthread_once_t powers_once = PTHREAD_ONCE_INIT;

/* Returns 128 bits of a number of LIMBS limbs, the lowest first, from its highest bit on; zeros follow its lowest. */
static uint128 limbs_top(const uint32_t *limbs)
{
    int top = LIMBS - 1;
    while (top > 0 && limbs[top] == 0) top--;
    assert(limbs[top] != 0);
    uint128 bits = 0;
    for (int i = 0; i < 4; i++) bits = bits << LIMB_BITS | (top >= i ? limbs[top - i] : 0);
    int shift = __builtin_clz(limbs[top]);
    if (shift == 0) return bits;
    return bits << shift | (top >= 4 ? limbs[top - 4] >> (LIMB_BITS - shift) : 0);
}

static void limbs_multiply_by_5(uint32_t *limbs)
{
    uint64_t carry = 0;
    for (int i = 0; i < LIMBS; i++) {
        carry += (uint64_t)limbs[i] * 5;
        limbs[i] = (uint32_t)carry;
        carry >>= LIMB_BITS;
    }
    assert(carry == 0);
}

static void limbs_divide_by_5(uint32_t *limbs)
{
    uint64_t rest = 0;
    for (int i = LIMBS - 1; i >= 0; i--) {
        uint64_t part = rest << LIMB_BITS | limbs[i];
        limbs[i] = (uint32_t)(part / 5);
        rest = part % 5;
    }
}

/* Of 10^k = 5^k * 2^k only 5^k has bits of its own. Rounding down after each division rounds down as one division by
 * the whole power would. */
static void make_powers(void)
{
    uint32_t up[LIMBS] = {1}, down[LIMBS] = {0};
    _Static_assert(LIMBS * LIMB_BITS * 100 > 233 * POWER_MAX, "5^324 has room");
    _Static_assert((LIMBS * LIMB_BITS - 1 - 128) * 100 > -233 * POWER_MIN, "2^1023 / 5^342 has 128 bits left");
    down[LIMBS - 1] = UINT32_C(1) << (LIMB_BITS - 1);
    for (int k = 0; k <= POWER_MAX; k++) {
        powers[k - POWER_MIN] = limbs_top(up);
        limbs_multiply_by_5(up);
    }
    for (int k = -1; k >= POWER_MIN; k--) {
        limbs_divide_by_5(down);
        powers[k - POWER_MIN] = limbs_top(down);
    }
}

/* Returns the power's 128 bits, rounded down. */
static uint128 power_bits(int k)
{
    assert(k >= POWER_MIN && k <= POWER_MAX);
    (void)pthread_once(&powers_once, make_powers);
    return powers[k - POWER_MIN];
}

/* Returns floor(log2(10^k)), for |k| <= 1,233. */
static int power_log2(int k) { return (k * 1741647) >> 19; }

/* ---- From a double ---- */

enum { FRACTION_BITS = 52, UNIT_EXPONENT_MIN = -1074 };

/* Returns floor(power * n / 2^128) with its lowest bit set if something was cut off ("round to odd"), so that it
 * compares with multiples of 2 as the whole product would. */
static uint64_t multiply_round_to_odd(uint128 power, uint64_t n)
{
    uint128 low = (uint128)(uint64_t)power * n;
    uint128 high = (power >> 64) * n + (low >> 64);
    return (uint64_t)(high >> 64) | ((uint64_t)high > 1);
}

static decimal decimal_without_zeros(uint64_t digits, int exponent)
{
    assert(digits > 0);
    while (digits % 10 == 0) {
        digits /= 10;
        exponent++;
    }
    return (decimal){digits, exponent};
}

/* What of a double's neighbourhood reads back as that double, in quarters of 10^exponent. */
typedef struct neighbourhood {
    uint64_t low, middle, high; /* both ends belong to it */
    int exponent;               /* the largest for which 10^exponent is not wider than the neighbourhood */
} neighbourhood;

/* R. Giulietti, "The Schubfach way to render doubles" (2020), section 9. d = significand * 2^exponent; near_low: the
 * next double below lies at half the distance of the one above, as for a power of two. */
static neighbourhood neighbourhood_of(uint64_t significand, int exponent, bool near_low)
{
    int k = (exponent * 1262611 - (near_low ? 524031 : 0)) >> 22; /* floor(log10(2^exponent)), or of three quarters */
    int shift = exponent + power_log2(-k) + 1;
    uint128 power = power_bits(-k) + (-k < 0 || -k > POWER_EXACT_MAX); /* rounded up */
    uint64_t is_odd = significand & 1; /* reading rounds ties to even: away from this double, if it is odd */
    assert(shift >= 1 && shift <= 4);
    return (neighbourhood){
        .low = multiply_round_to_odd(power, (4 * significand - 2 + near_low) << shift) + is_odd,
        .middle = multiply_round_to_odd(power, (4 * significand) << shift),
        .high = multiply_round_to_odd(power, (4 * significand + 2) << shift) - is_odd,
        .exponent = k,
    };
}

decimal decimal_of_double(double d)
{
    uint64_t bits;
    assert(isfinite(d) && d > 0);
    _Static_assert(sizeof bits == sizeof d, "IEEE 754 binary64");
    memcpy(&bits, &d, sizeof bits);
    uint64_t fraction = bits & ((UINT64_C(1) << FRACTION_BITS) - 1);
    int biased = (int)(bits >> FRACTION_BITS);
    uint64_t significand = biased > 0 ? fraction | UINT64_C(1) << FRACTION_BITS : fraction;
    int exponent = UNIT_EXPONENT_MIN + (biased > 0 ? biased - 1 : 0);
    neighbourhood n = neighbourhood_of(significand, exponent, fraction == 0 && biased > 1);

    uint64_t below = n.middle / 4, tens = below / 10;
    if (tens > 0) { /* at most one multiple of ten lies inside */
        bool is_low_inside = n.low <= 40 * tens, is_high_inside = 40 * tens + 40 <= n.high;
        if (is_low_inside != is_high_inside) return decimal_without_zeros(tens + is_high_inside, n.exponent + 1);
    }
    bool is_low_inside = n.low <= 4 * below, is_high_inside = 4 * below + 4 <= n.high;
    if (is_low_inside != is_high_inside) return decimal_without_zeros(below + is_high_inside, n.exponent);
    uint64_t half = 4 * below + 2;
    bool is_upper_nearer = n.middle > half || (n.middle == half && (below & 1));
    return decimal_without_zeros(below + is_upper_nearer, n.exponent);
}

/* ---- To a double ---- */

/* D. Lemire, "Number parsing at a gigabyte per second" (2021), with an interval instead of his table of cases: the
 * power's unknown bits make the product, cut to 128 bits, too small by less than 2. */
bool decimal_to_double(uint64_t digits, int64_t exponent, double *out)
{
    assert(digits > 0);
    if (exponent < POWER_MIN || exponent > POWER_MAX) return false;
    int shift = __builtin_clzll(digits);
    uint64_t n = digits << shift;
    uint128 power = power_bits((int)exponent);
    uint128 product = (power >> 64) * n + (((uint128)(uint64_t)power * n) >> 64);
    int cut_bits = (product >> 127 ? 128 : 127) - (FRACTION_BITS + 1);
    uint64_t significand = (uint64_t)(product >> cut_bits);
    uint128 cut = product - ((uint128)significand << cut_bits), half = (uint128)1 << (cut_bits - 1);
    assert(significand >> FRACTION_BITS == 1);
    if (cut + 2 > half && cut <= half) return false;
    significand += cut > half;
    int unit = cut_bits + 64 - shift + power_log2((int)exponent) - 127;
    if (unit < UNIT_EXPONENT_MIN || unit >= 970) return false;
    /* A significand of 2^53, rounded up, adds its carry to the exponent. */
    uint64_t bits = ((uint64_t)(unit - UNIT_EXPONENT_MIN) << FRACTION_BITS) + significand;
    memcpy(out, &bits, sizeof bits);
    return true;
}
