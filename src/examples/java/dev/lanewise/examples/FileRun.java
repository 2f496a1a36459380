package dev.lanewise.examples;

import dev.lanewise.Attention;
import dev.lanewise.AttentionInputs;
import dev.lanewise.AttentionOutputs;
import dev.lanewise.PositionOffset;
import dev.lanewise.ScoreStage;
import dev.lanewise.Tensor;
import java.io.IOException;
import java.io.PrintWriter;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import picocli.CommandLine.Option;

/** Attention over .npy files. Nothing is written unless everything was computed. */
final class FileRun implements Attend.Run {
    @Option(names = "--q", paramLabel = "FILE", required = true, description = "Queries, (B,H,Lq,D), (B,Lq,D) or (Lq,D).")
    private Path q;

    @Option(names = "--k", paramLabel = "FILE", required = true, description = "Keys, (B,Hkv,Lk,D) or of q's rank.")
    private Path k;

    @Option(names = "--v", paramLabel = "FILE", required = true, description = "Values, (B,Hkv,Lk,Dv) or of q's rank.")
    private Path v;

    @Option(names = "--out", paramLabel = "FILE", required = true, description = "Where the context goes.")
    private Path out;

    @Option(names = "--mask", paramLabel = "FILE", description = "Bool (true = may attend) or float32 (added), broadcast to (B,H,Lq,Lk).")
    private Path mask;

    @Option(names = "--causal", arity = "0..1", paramLabel = "OFFSET", fallbackValue = CausalConverter.TOP_LEFT, converter = CausalConverter.class, description = {
        "Query i sees key j only if j <= i + OFFSET:", "top-left (0), bottom-right (Lk - Lq), or a number;",
        "top-left if not given."})
    private PositionOffset causal;

    @Option(names = "--heads", paramLabel = "N", description = "The last axis of q, k, v and out is N heads side by side; rank 2 or 3.")
    private Integer heads;

    @Option(names = "--kv-heads", paramLabel = "N", description = "The same for k and v, if other than --heads.")
    private Integer kvHeads;

    @Option(names = "--scale", paramLabel = "X", description = "Factor of the scores (default: 1/sqrt(D)).")
    private Double scale;

    @Option(names = "--scores", paramLabel = "FILE", description = "Also write the scores, before any mask.")
    private Path scores;

    @Option(names = "--weights", paramLabel = "FILE", description = "Also write the weights.")
    private Path weights;

    @Override
    public void run(PrintWriter printer) throws AttendException {
        requireHeads();
        Attention attention = attention();
        requireDistinctOutputs();
        try (Arena arena = Arena.ofConfined(); OutputFiles files = new OutputFiles()) {
            FileOperands operands = new FileOperands(arena, heads == null ? 0 : heads, kvHeads == null ? 0 : kvHeads);
            operands.read(q, k, v);
            AttentionInputs inputs = operands.inputs();
            if (mask != null) {
                inputs = inputs.withMask(read(mask, arena));
            }
            Map<Path, Tensor> results = new LinkedHashMap<>();
            results.put(out, operands.contextFor(out));
            AttentionOutputs outputs = AttentionOutputs.of(operands.splitContext(results.get(out)));
            if (scores != null) {
                results.put(scores, operands.scoresFor(scores));
                outputs = outputs.withScores(operands.batched(results.get(scores)), ScoreStage.RAW);
            }
            if (weights != null) {
                results.put(weights, operands.scoresFor(weights));
                outputs = outputs.withWeights(operands.batched(results.get(weights)));
            }
            compute(attention, inputs, outputs);
            for (Map.Entry<Path, Tensor> result : results.entrySet()) {
                files.write(result.getKey(), stream -> NpyFile.write(result.getValue(), stream));
            }
            files.commit();
            results.forEach((file, tensor) -> printer.println(file + " " + NpyHeader.shapeText(tensor.shape())));
        }
    }

    private Attention attention() throws AttendException {
        Attention.Builder builder = Attention.builder();
        if (causal != null) {
            builder.causal(causal);
        }
        if (scale != null) {
            try {
                builder.scale(scale);
            } catch (IllegalArgumentException e) {
                throw new AttendException("--" + e.getMessage());
            }
        }
        return builder.build();
    }

    private void requireHeads() throws AttendException {
        if (heads == null ? kvHeads != null : heads < 1 || kvHeads != null && kvHeads < 1) {
            throw new AttendException(
                    "--heads " + heads + ", --kv-heads " + kvHeads
                            + ": wanted at least 1, and the second only with the first");
        }
    }

    private void requireDistinctOutputs() throws AttendException {
        Map<Path, Path> seen = new LinkedHashMap<>();
        for (Path file : new Path[]{out, scores, weights}) {
            if (file != null) {
                OutputFiles.requireReplaceable(file);
                if (seen.put(file.toAbsolutePath().normalize(), file) != null) {
                    throw new AttendException(file, "named for two outputs");
                }
            }
        }
    }

    static Tensor read(Path file, Arena arena) throws AttendException {
        try {
            return NpyFile.read(file, arena);
        } catch (IOException e) {
            throw new AttendException(file, e);
        }
    }

    /** The library's messages start with the operand's name. */
    private void compute(Attention attention, AttentionInputs inputs, AttentionOutputs outputs)
            throws AttendException {
        try {
            attention.run(inputs, outputs);
        } catch (IllegalArgumentException e) {
            String message = e.getMessage();
            Path file = message.startsWith("k:")
                    ? k
                    : message.startsWith("v:") ? v : message.startsWith("mask:") ? mask : q;
            throw new AttendException(file, message + (heads == null ? "" : ", with axes (B, H, L, D)"));
        }
    }
}
