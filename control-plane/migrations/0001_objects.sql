ALTER TABLE "samples" ALTER COLUMN "predicted" SET DATA TYPE jsonb USING jsonb_build_object('label', "predicted", 'confidence', "confidence");--> statement-breakpoint
ALTER TABLE "samples" ALTER COLUMN "truth" SET DATA TYPE jsonb USING CASE WHEN "truth" IS NULL OR "truth_origin" IS NULL THEN NULL ELSE jsonb_build_object('label', "truth", 'origin', "truth_origin") END;--> statement-breakpoint
ALTER TABLE "samples" DROP COLUMN "confidence";--> statement-breakpoint
ALTER TABLE "samples" DROP COLUMN "truth_origin";
