;; The scan kernel: dot products of one int8 query with many int8 rows.
;;
;; Built into kernel.generated.ts by scripts/build-kernel.mjs. The plain TypeScript version (reference.ts) is the
;; definition: both must give the same integers for the same bytes, which test/quantize checks.
;;
;; Rows are `stride` bytes long, a multiple of 32, padded with zeros; codes lie in -127..127. Then
;;   - a product is at most 16129 in size and the sum of two of them fits in 32 bits (i32x4.dot_i16x8_s is exact),
;;   - a whole row of up to 133,000 dimensions cannot overflow a lane sum of 32 bits.
;; The memory is the arena's: shared, so that rows filled by one thread can be scanned by another without a copy.

(module
  (memory (import "cairn" "memory") 1 65536 shared)

  (func (export "dotRows")
    (param $row i32)     ;; address of the first row; moves through the rows
    (param $count i32)   ;; rows left
    (param $stride i32)  ;; bytes of a row, a positive multiple of 32
    (param $query i32)   ;; address of the query, stride bytes
    (param $wide i32)    ;; room for the query in 16 bits a code, 2 * stride bytes: rows are widened as they are loaded, the query once
    (param $out i32)     ;; address of the results, one i32 per row

    (local $q i32)       ;; position in the query
    (local $w i32)       ;; position in the widened query
    (local $wideEnd i32)
    (local $other i32)   ;; the row below $row: two rows share the loads of the query
    (local $x v128)      ;; 8 codes of the query
    (local $sum0 v128)   ;; independent accumulators of 4 x i32, two per row, so that the additions need not wait for each other
    (local $sum1 v128)
    (local $sum2 v128)
    (local $sum3 v128)

    (local.set $wideEnd (i32.add (local.get $wide) (i32.shl (local.get $stride) (i32.const 1))))
    (local.set $q (local.get $query))
    (local.set $w (local.get $wide))
    (loop $widen
      (v128.store (local.get $w) (v128.load8x8_s (local.get $q)))
      (v128.store offset=16 (local.get $w) (v128.load8x8_s offset=8 (local.get $q)))
      (local.set $q (i32.add (local.get $q) (i32.const 16)))
      (local.set $w (i32.add (local.get $w) (i32.const 32)))
      (br_if $widen (i32.lt_u (local.get $w) (local.get $wideEnd))))

    (block $single
      (loop $pairs
        (br_if $single (i32.lt_u (local.get $count) (i32.const 2)))
        (local.set $sum0 (v128.const i32x4 0 0 0 0))
        (local.set $sum1 (v128.const i32x4 0 0 0 0))
        (local.set $sum2 (v128.const i32x4 0 0 0 0))
        (local.set $sum3 (v128.const i32x4 0 0 0 0))
        (local.set $other (i32.add (local.get $row) (local.get $stride)))
        (local.set $w (local.get $wide))

        (loop $codes
          ;; Codes 0..7, 8..15, 16..23, 24..31: widen to 16 bits, multiply, add neighbouring products.
          (local.set $x (v128.load (local.get $w)))
          (local.set $sum0 (i32x4.add (local.get $sum0) (i32x4.dot_i16x8_s (v128.load8x8_s (local.get $row)) (local.get $x))))
          (local.set $sum2 (i32x4.add (local.get $sum2) (i32x4.dot_i16x8_s (v128.load8x8_s (local.get $other)) (local.get $x))))
          (local.set $x (v128.load offset=16 (local.get $w)))
          (local.set $sum1 (i32x4.add (local.get $sum1) (i32x4.dot_i16x8_s (v128.load8x8_s offset=8 (local.get $row)) (local.get $x))))
          (local.set $sum3 (i32x4.add (local.get $sum3) (i32x4.dot_i16x8_s (v128.load8x8_s offset=8 (local.get $other)) (local.get $x))))
          (local.set $x (v128.load offset=32 (local.get $w)))
          (local.set $sum0 (i32x4.add (local.get $sum0) (i32x4.dot_i16x8_s (v128.load8x8_s offset=16 (local.get $row)) (local.get $x))))
          (local.set $sum2 (i32x4.add (local.get $sum2) (i32x4.dot_i16x8_s (v128.load8x8_s offset=16 (local.get $other)) (local.get $x))))
          (local.set $x (v128.load offset=48 (local.get $w)))
          (local.set $sum1 (i32x4.add (local.get $sum1) (i32x4.dot_i16x8_s (v128.load8x8_s offset=24 (local.get $row)) (local.get $x))))
          (local.set $sum3 (i32x4.add (local.get $sum3) (i32x4.dot_i16x8_s (v128.load8x8_s offset=24 (local.get $other)) (local.get $x))))

          (local.set $row (i32.add (local.get $row) (i32.const 32)))
          (local.set $other (i32.add (local.get $other) (i32.const 32)))
          (local.set $w (i32.add (local.get $w) (i32.const 64)))
          (br_if $codes (i32.lt_u (local.get $w) (local.get $wideEnd))))

        (i32.store (local.get $out) (call $lanes (i32x4.add (local.get $sum0) (local.get $sum1))))
        (i32.store offset=4 (local.get $out) (call $lanes (i32x4.add (local.get $sum2) (local.get $sum3))))
        (local.set $out (i32.add (local.get $out) (i32.const 8)))
        (local.set $count (i32.sub (local.get $count) (i32.const 2)))
        (local.set $row (local.get $other))
        (br $pairs)))

    (if (i32.eqz (local.get $count)) (then (return)))
    (local.set $sum0 (v128.const i32x4 0 0 0 0))
    (local.set $sum1 (v128.const i32x4 0 0 0 0))
    (local.set $w (local.get $wide))
    (loop $last
      (local.set $sum0 (i32x4.add (local.get $sum0) (i32x4.dot_i16x8_s (v128.load8x8_s (local.get $row)) (v128.load (local.get $w)))))
      (local.set $sum1 (i32x4.add (local.get $sum1) (i32x4.dot_i16x8_s (v128.load8x8_s offset=8 (local.get $row)) (v128.load offset=16 (local.get $w)))))
      (local.set $row (i32.add (local.get $row) (i32.const 16)))
      (local.set $w (i32.add (local.get $w) (i32.const 32)))
      (br_if $last (i32.lt_u (local.get $w) (local.get $wideEnd))))
    (i32.store (local.get $out) (call $lanes (i32x4.add (local.get $sum0) (local.get $sum1)))))

  ;; Sum of the four lanes.
  (func $lanes (param $sum v128) (result i32)
    (i32.add
      (i32.add (i32x4.extract_lane 0 (local.get $sum)) (i32x4.extract_lane 1 (local.get $sum)))
      (i32.add (i32x4.extract_lane 2 (local.get $sum)) (i32x4.extract_lane 3 (local.get $sum))))))
