# What R says of the tables in a folder, as rows of: model, what, name, value.
library(car)
library(nortest)

folder <- commandArgs(trailingOnly = TRUE)[1]
rows <- list()

say <- function(model, what, values, names = seq_along(values)) {
  rows[[length(rows) + 1]] <<- data.frame(
    model = model, what = what, name = as.character(names), value = sprintf("%.17g", as.numeric(values))
  )
}

table_of <- function(name) {
  read.csv(file.path(folder, paste0(name, ".csv")), stringsAsFactors = TRUE)
}

say_coefficients <- function(model, fit) {
  found <- summary(fit)$coefficients
  for (column in 1:4) say(model, c("estimate", "std_error", "t", "p")[column], found[, column])
}

say_tests <- function(model, values) {
  tests <- list(shapiro.test(values), ad.test(values), lillie.test(values))
  names <- c("Shapiro-Wilk", "Anderson-Darling", "Kolmogorov-Smirnov (Lilliefors)")
  say(model, "statistic", sapply(tests, function(test) test$statistic), names)
  say(model, "test_p", sapply(tests, function(test) test$p.value), names)
}

say_linear <- function(model, fit) {
  say_coefficients(model, fit)
  bounds <- confint(fit)
  say(model, "ci_low", bounds[, 1])
  say(model, "ci_high", bounds[, 2])
  seen <- summary(fit)
  say(
    model, "goodness",
    c(AIC(fit), BIC(fit), logLik(fit), seen$r.squared, seen$adj.r.squared, seen$sigma, seen$fstatistic[1], deviance(fit)),
    c("aic", "bic", "log_likelihood", "r_squared", "adjusted_r_squared", "sy_x", "f", "sum_of_squares")
  )
  say(model, "fitted", fitted(fit))
  say(model, "standardised", rstandard(fit))
  say(model, "leverage", hatvalues(fit))
  say(model, "cooks_distance", cooks.distance(fit))
  say(model, "correlation", cov2cor(vcov(fit)))
  say_tests(model, weighted.residuals(fit))
  tests <- Anova(fit, type = 2)
  for (column in 1:4) say(model, c("sum_of_squares", "df", "anova_f", "anova_p")[column], tests[, column], rownames(tests))
}

say_collinearity <- function(model, fit) {
  factors <- vif(fit)
  say(model, "gvif", factors[, 1], rownames(factors))
  say(model, "gvif_scaled", factors[, 3], rownames(factors))
  columns <- data.frame(y = fit$model[[1]], unname(model.matrix(fit)[, -1]))
  weights <- if (is.null(weights(fit))) rep(1, nrow(columns)) else weights(fit)
  say(model, "vif", vif(lm(y ~ ., columns, weights = weights)))
}

balanced <- table_of("balanced")
fit <- lm(accuracy ~ model + scenario + class, balanced)
say_linear("balanced", fit)
say_collinearity("balanced", fit)

weighted <- table_of("weighted")
fit <- lm(accuracy ~ model + scenario + class, weighted, weights = weight)
say_linear("weighted", fit)
say_collinearity("weighted", fit)

say_linear("interaction", lm(accuracy ~ model * scenario + class, weighted))

counts <- table_of("counts")
fit <- glm(cbind(correct, n - correct) ~ model + scenario, binomial, counts, control = list(epsilon = 1e-14))
say_coefficients("binomial", fit)
say("binomial", "judged", c(AIC(fit), deviance(fit), fit$null.deviance), c("aic", "deviance", "null_deviance"))
fit <- glm(mistakes ~ model + scenario + offset(log(n)), poisson, counts, control = list(epsilon = 1e-14))
say_coefficients("poisson", fit)
say("poisson", "judged", c(AIC(fit), deviance(fit), fit$null.deviance), c("aic", "deviance", "null_deviance"))

write.csv(do.call(rbind, rows), file.path(folder, "found.csv"), row.names = FALSE)
