CREATE TABLE "dataset_versions" (
	"dataset" text NOT NULL,
	"version" integer NOT NULL,
	"kind" text NOT NULL,
	"spec" jsonb NOT NULL,
	"digest" text NOT NULL,
	"manifest" text NOT NULL,
	"schema" text,
	"profile" text,
	"status" text NOT NULL,
	"parent" integer,
	"created_at" bigint NOT NULL,
	"created_by" text NOT NULL,
	"source" text,
	"note" text NOT NULL,
	"files" integer NOT NULL,
	"bytes" bigint NOT NULL,
	"rows" bigint NOT NULL,
	"splits" jsonb NOT NULL,
	"labels" jsonb NOT NULL,
	"errors" integer NOT NULL,
	"warnings" integer NOT NULL,
	"decision" jsonb,
	"detail" jsonb NOT NULL,
	CONSTRAINT "dataset_versions_dataset_version_pk" PRIMARY KEY("dataset","version")
);
--> statement-breakpoint
CREATE TABLE "datasets" (
	"name" text PRIMARY KEY NOT NULL,
	"kind" text NOT NULL,
	"created_at" bigint NOT NULL,
	"latest" integer
);
--> statement-breakpoint
CREATE TABLE "pipelines" (
	"name" text PRIMARY KEY NOT NULL,
	"file" jsonb NOT NULL,
	"created_at" bigint NOT NULL,
	"updated_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "runs" (
	"id" text PRIMARY KEY NOT NULL,
	"model" text NOT NULL,
	"pipeline" text,
	"status" text NOT NULL,
	"job_id" text,
	"created_at" bigint NOT NULL,
	"created_by" text NOT NULL,
	"finished_at" bigint,
	"seed" bigint NOT NULL,
	"code" jsonb NOT NULL,
	"data" jsonb,
	"parameters" jsonb NOT NULL,
	"environment" jsonb NOT NULL,
	"stages" jsonb NOT NULL,
	"metrics" jsonb NOT NULL,
	"baseline" jsonb,
	"weight_digest" text,
	"gate" jsonb,
	"version" integer,
	"error" jsonb,
	"repeats" text,
	"verdict" jsonb,
	"report" jsonb NOT NULL,
	"log" jsonb NOT NULL,
	"file" jsonb,
	"inputs" jsonb NOT NULL,
	"champion" integer,
	"search" jsonb
);
--> statement-breakpoint
CREATE TABLE "sources" (
	"name" text PRIMARY KEY NOT NULL,
	"dataset" text NOT NULL,
	"settings" jsonb NOT NULL,
	"spec" jsonb NOT NULL,
	"mode" text NOT NULL,
	"schedule" text,
	"enabled" boolean NOT NULL,
	"created_at" bigint NOT NULL,
	"created_by" text NOT NULL,
	"cursor" jsonb,
	"last_read_at" bigint,
	"next_read_at" bigint,
	"last" jsonb,
	"job_id" text
);
--> statement-breakpoint
CREATE INDEX "dataset_versions_by_status" ON "dataset_versions" USING btree ("status");--> statement-breakpoint
CREATE INDEX "runs_by_model" ON "runs" USING btree ("model","created_at");--> statement-breakpoint
CREATE INDEX "runs_by_time" ON "runs" USING btree ("created_at");--> statement-breakpoint
CREATE INDEX "runs_by_job" ON "runs" USING btree ("job_id");--> statement-breakpoint
CREATE INDEX "sources_due" ON "sources" USING btree ("next_read_at");