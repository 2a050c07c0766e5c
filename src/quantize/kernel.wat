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
    (param $out i32)     ;; address of the results, one i32 per row

    (local $q i32)       ;; position in the query
    (local $queryEnd i32)
    (local $x v128)      ;; 16 codes of the row
    (local $y v128)      ;; 16 codes of the query
    (local $sum0 v128)   ;; four independent accumulators of 4 x i32, so that the additions need not wait for each other
    (local $sum1 v128)
    (local $sum2 v128)
    (local $sum3 v128)

    (local.set $queryEnd (i32.add (local.get $query) (local.get $stride)))

    (block $done
      (loop $rows
        (br_if $done (i32.eqz (local.get $count)))
        (local.set $sum0 (v128.const i32x4 0 0 0 0))
        (local.set $sum1 (v128.const i32x4 0 0 0 0))
        (local.set $sum2 (v128.const i32x4 0 0 0 0))
        (local.set $sum3 (v128.const i32x4 0 0 0 0))
        (local.set $q (local.get $query))

        (loop $codes
          ;; Bytes 0..15: widen to 16 bits, multiply, add neighbouring products.
          (local.set $x (v128.load (local.get $row)))
          (local.set $y (v128.load (local.get $q)))
          (local.set $sum0 (i32x4.add (local.get $sum0)
            (i32x4.dot_i16x8_s (i16x8.extend_low_i8x16_s (local.get $x)) (i16x8.extend_low_i8x16_s (local.get $y)))))
          (local.set $sum1 (i32x4.add (local.get $sum1)
            (i32x4.dot_i16x8_s (i16x8.extend_high_i8x16_s (local.get $x)) (i16x8.extend_high_i8x16_s (local.get $y)))))
          ;; Bytes 16..31.
          (local.set $x (v128.load offset=16 (local.get $row)))
          (local.set $y (v128.load offset=16 (local.get $q)))
          (local.set $sum2 (i32x4.add (local.get $sum2)
            (i32x4.dot_i16x8_s (i16x8.extend_low_i8x16_s (local.get $x)) (i16x8.extend_low_i8x16_s (local.get $y)))))
          (local.set $sum3 (i32x4.add (local.get $sum3)
            (i32x4.dot_i16x8_s (i16x8.extend_high_i8x16_s (local.get $x)) (i16x8.extend_high_i8x16_s (local.get $y)))))

          (local.set $row (i32.add (local.get $row) (i32.const 32)))
          (local.set $q (i32.add (local.get $q) (i32.const 32)))
          (br_if $codes (i32.lt_u (local.get $q) (local.get $queryEnd))))

        ;; Sum of the four lanes of the four accumulators.
        (local.set $sum0 (i32x4.add
          (i32x4.add (local.get $sum0) (local.get $sum1))
          (i32x4.add (local.get $sum2) (local.get $sum3))))
        (i32.store (local.get $out) (i32.add
          (i32.add (i32x4.extract_lane 0 (local.get $sum0)) (i32x4.extract_lane 1 (local.get $sum0)))
          (i32.add (i32x4.extract_lane 2 (local.get $sum0)) (i32x4.extract_lane 3 (local.get $sum0)))))

        (local.set $out (i32.add (local.get $out) (i32.const 4)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $rows)))))
